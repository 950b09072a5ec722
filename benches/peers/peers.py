"""Finds the peers' scripts: the folder in PEERS_DIR, which has common.py and j0_machine.py .. j7_nets.py."""
import os, sys

sys.path.insert(0, os.environ["PEERS_DIR"])
