/** Pairs of peers' programs and our jobs, and the goals. */

/** One of our jobs against the peers. */
export interface Contest {
  /** The peers' program: a file in the folder of their scripts, or one of ours in `peers/`. */
  readonly script: string
  readonly ours?: boolean
  /** Our participants and their jobs. */
  readonly participants: Readonly<Record<string, string>>
  /** Peers that begin with the same numbers as ours; their values must agree with ours. */
  readonly sameInputs?: RegExp
  /** The job whose arrays `peers/inputs.py` writes; default the contest's own name. */
  readonly inputsOf?: string
  /** Each participant is a separate process, and its memory and time to the first step are reported. */
  readonly processes?: true
}

const notebook = { hyperglow: 'j1b', hyperglow_hsic: 'j1' }

export const contests: Readonly<Record<string, Contest>> = {
  j0: { script: 'j0_machine.py', participants: { hyperglow: 'j0' } },
  gemm: { script: 'gemm.py', ours: true, participants: { hyperglow: 'j0' } },
  j1: { script: 'j1_notebook.py', participants: notebook, sameInputs: /^[bcd]_torch/, processes: true },
  tuned: {
    script: 'tuned.py',
    ours: true,
    participants: notebook,
    sameInputs: /./,
    inputsOf: 'j1',
    processes: true,
  },
  j2: { script: 'j2_hsic.py', participants: { hyperglow: 'j2' }, sameInputs: /./ },
  j3: {
    script: 'j3_mi.py',
    participants: { hyperglow: 'j3' },
    sameInputs: /npeet|scipy|ennemi|numpy|^infomeasure$/,
  },
  npeet: {
    script: 'npeet.py',
    ours: true,
    participants: { hyperglow: 'j3' },
    sameInputs: /./,
    inputsOf: 'j3',
  },
  j5: { script: 'j5_hypernet.py', participants: { hyperglow: 'j5' }, sameInputs: /torch_by_hand|jax/ },
  j6: { script: 'j6_layers.py', participants: { hyperglow: 'j6' } },
  conv: { script: 'conv.py', ours: true, participants: { hyperglow: 'conv' } },
  j7: { script: 'j7_nets.py', participants: { hyperglow: 'j7' }, sameInputs: /^torch/ },
  bottleneck: {
    script: 'bottleneck.py',
    ours: true,
    participants: { hyperglow: 'bottleneck', hyperglow_f64: 'bottleneck-f64' },
    sameInputs: /./,
  },
  planes: {
    script: 'planes.py',
    ours: true,
    participants: { hyperglow: 'planes' },
    sameInputs: /^(numpy|torch|npeet_plus|npeet_loop|infomeasure)$/,
  },
  maps: { script: 'maps.py', ours: true, participants: { hyperglow: 'maps' }, sameInputs: /./ },
  small: { script: 'small.py', ours: true, participants: { hyperglow: 'small' }, sameInputs: /./ },
}

/** "The best of these peers takes at least `ratio` times as long as ours." */
export interface Goal {
  readonly contest: string
  readonly cases: RegExp
  readonly peers: RegExp
  readonly ratio: number
  /** Milliseconds per iteration by default. */
  readonly of?: 'rss_mb' | 'start_s'
  /** Our participant; default `hyperglow`. */
  readonly who?: string
}

const who = 'hyperglow_hsic'

export const goals: readonly Goal[] = [
  { contest: 'j1', cases: /./, peers: /^b_torch/, ratio: 2.2 },
  { contest: 'j1', cases: /./, peers: /^c_torch/, ratio: 2.4, who },
  { contest: 'j1', cases: /./, peers: /^a_pyglow/, ratio: 12, who },
  // With the evaluator a step takes at most 1.15 times as long as without.
  { contest: 'j1', cases: /./, peers: /^hyperglow$/, ratio: 1 / 1.15, who },
  { contest: 'j1', cases: /./, peers: /torch/, ratio: 2, of: 'rss_mb', who },
  { contest: 'j1', cases: /./, peers: /torch/, ratio: 5, of: 'start_s', who },
  { contest: 'tuned', cases: /./, peers: /^b_/, ratio: 1.7 },
  { contest: 'tuned', cases: /./, peers: /^c_/, ratio: 1.7, who },
  { contest: 'j0', cases: /1024x1024x1024/, peers: /./, ratio: 1.05 },
  { contest: 'gemm', cases: /./, peers: /./, ratio: 1.05 },
  { contest: 'j0', cases: /12544/, peers: /./, ratio: 1.3 },
  { contest: 'conv', cases: /forward/, peers: /channels_last/, ratio: 1.3 },
  { contest: 'conv', cases: /input gradient/, peers: /channels_last/, ratio: 1.3 },
  { contest: 'conv', cases: /weight gradient/, peers: /channels_last/, ratio: 1 },
  { contest: 'j6', cases: /conv2d\/64x1x|softmax|batchnorm|maxpool/, peers: /./, ratio: 1.5 },
  { contest: 'j6', cases: /gelu/, peers: /compile/, ratio: 2 },
  { contest: 'j6', cases: /sgd|adam/, peers: /fused/, ratio: 1.2 },
  { contest: 'j2', cases: /value\/m=64/, peers: /torch/, ratio: 1.2 },
  { contest: 'j2', cases: /value\/m=1024/, peers: /torch/, ratio: 2.2 },
  { contest: 'j2', cases: /value\/m=4096/, peers: /torch/, ratio: 2.9 },
  { contest: 'j2', cases: /grad\/m=64/, peers: /torch/, ratio: 4 },
  { contest: 'j2', cases: /grad\/m=(1024|4096)/, peers: /torch/, ratio: 2.2 },
  { contest: 'j3', cases: /ksg.*n=10000/, peers: /./, ratio: 1 },
  { contest: 'npeet', cases: /./, peers: /./, ratio: 10 },
  { contest: 'bottleneck', cases: /./, peers: /torch/, ratio: 2.5 },
  { contest: 'bottleneck', cases: /hsic/, peers: /f64/, ratio: 2.5, who: 'hyperglow_f64' },
  { contest: 'planes', cases: /./, peers: /numpy|infomeasure|npeet/, ratio: 10 },
  { contest: 'maps', cases: /ensemble/, peers: /torch_loop/, ratio: 3 },
  { contest: 'maps', cases: /ensemble/, peers: /jax/, ratio: 1.5 },
  { contest: 'maps', cases: /per-sample/, peers: /^torch_vmap$/, ratio: 2 },
  { contest: 'maps', cases: /per-sample/, peers: /jax/, ratio: 1.2 },
  { contest: 'maps', cases: /squares/, peers: /^(torch_vmap|jax_vmap)$/, ratio: 10 },
  { contest: 'small', cases: /./, peers: /torch/, ratio: 8 },
  { contest: 'small', cases: /./, peers: /jax/, ratio: 1.5 },
  { contest: 'j5', cases: /second/, peers: /hypnettorch/, ratio: 5 },
  { contest: 'j5', cases: /second/, peers: /by_hand/, ratio: 2.5 },
  { contest: 'j5', cases: /second/, peers: /jax/, ratio: 1 },
  { contest: 'j7', cases: /./, peers: /torch/, ratio: 1.3 },
]
