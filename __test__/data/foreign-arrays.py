"""Makes foreign-arrays.json: small files of arrays as other software writes them, and the values that they hold.

    python foreign-arrays.py > foreign-arrays.json

Needs numpy, ml_dtypes, safetensors, zarr (3.1) and torch; the versions that were used stand in the file.
"""
import base64, io, json, os, shutil, sys, tempfile
import ml_dtypes, numpy as np, safetensors, safetensors.numpy, torch, zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

folder = tempfile.mkdtemp()
values = {}
r = np.random.default_rng(1)


def path(name):
    full = os.path.join(folder, name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def says(file, name, array):
    """Notes that the array `name` of a file holds these values, in row-major order."""
    a = np.asarray(array)
    kind = {"e": "f4", "f": a.dtype.str[1:], "b": "u1", "V": "f4"}.get(a.dtype.kind, "i8")
    flat = a.astype(kind).ravel().tolist()
    stored = {"V": "bfloat16"}.get(a.dtype.kind, a.dtype.name)
    values.setdefault(file, {})[name] = [stored, list(a.shape), [repr(v) if v != v else v for v in flat]]


def npy(name, a, version=None):
    with open(path(name), "wb") as f:
        np.lib.format.write_array(f, a, version=version)
    says(name, os.path.splitext(os.path.basename(name))[0], a)


x = r.standard_normal((7, 5)).astype("f4")
npy("npy/plain.npy", x)
npy("npy/version2.npy", x.astype("f8"), (2, 0))
npy("npy/version3.npy", x.astype("f2"), (3, 0))
npy("npy/bfloat16.npy", x.astype(ml_dtypes.bfloat16))
npy("npy/fortran.npy", np.asfortranarray(r.standard_normal((4, 3, 2))))
npy("npy/fortran_big.npy", np.asfortranarray(x.astype(">f2")))
npy("npy/fortran_bfloat16.npy", np.asfortranarray(x.astype(ml_dtypes.bfloat16)))
npy("npy/big_int64.npy", np.arange(-3, 3, dtype=">i8"))
for kind in ("i1", "i2", "i4", "u1", "u2", "u4", "u8"):
    npy(f"npy/{kind}.npy", np.arange(6, dtype=kind).reshape(3, 2))
npy("npy/bool.npy", np.array([[True, False], [False, True]]))
npy("npy/empty.npy", np.zeros((0, 3), "f4"))
np.save(path("npy/unnamed.npy"), np.zeros(2, "V2"))

arrays = {"fc1": x, "fc2": np.asfortranarray(x.astype("f2")), "y": np.arange(7), "names": np.array(["a", "b"])}
for name, save in (("npz/stored.npz", np.savez), ("npz/packed.npz", np.savez_compressed)):
    save(path(name), **arrays)
    for key in ("fc1", "fc2", "y"):
        says(name, key, arrays[key])

safe = {"a": x.astype("f2"), "b": x.astype(ml_dtypes.bfloat16), "c": np.arange(3, dtype="i1"), "y": np.arange(7)}
safetensors.numpy.save_file(safe, path("safe/all.safetensors"))
for key, a in safe.items():
    says("safe/all.safetensors", key, a)

t = torch.from_numpy(x)
linear = torch.nn.Linear(3, 2)
with torch.no_grad():
    linear.weight.copy_(torch.arange(6.).reshape(2, 3))
    linear.bias.copy_(torch.tensor([0.5, -0.5]))
tensors = {
    "plain": t,
    "transposed": torch.arange(12.).reshape(3, 4).T,
    "part": torch.arange(40, dtype=torch.float64).reshape(8, 5)[2:7:2, 1:4],
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "half": t.half(),
    "bfloat16": t.bfloat16(),
    "labels": torch.arange(7),
    "bytes": torch.arange(4, dtype=torch.uint8),
    "small": torch.arange(-2, 2, dtype=torch.int8),
    "words": torch.arange(4, dtype=torch.int32).to(torch.uint16),
    "flags": torch.tensor([True, False]),
    "number": torch.tensor(2.5),
    "none": torch.zeros(0, 3),
}
torch.save({**tensors, "epoch": 3, "note": "text", "big": 2**70}, path("torch/tensors.pt"))
for key, a in tensors.items():
    a = a.float().numpy().astype(ml_dtypes.bfloat16) if a.dtype == torch.bfloat16 else a.numpy()
    says("torch/tensors.pt", key, a)
torch.save(linear.state_dict(), path("torch/state.pth"))
torch.save({"model": {"w": linear.weight}, "list": [linear.bias, (torch.ones(2), 4)]}, path("torch/nested.pt"))
for file, w, b in (("torch/state.pth", "weight", "bias"), ("torch/nested.pt", "model.w", "list.0")):
    says(file, w, linear.weight.detach().numpy())
    says(file, b, linear.bias.detach().numpy())
says("torch/nested.pt", "list.1.0", np.ones(2, "f4"))
torch.save(t, path("torch/single.pt"))
says("torch/single.pt", "data", x)
torch.save(torch.ones(2, dtype=torch.complex64), path("torch/complex.pt"))
torch.save({"w": t}, path("torch/legacy.pt"), _use_new_zipfile_serialization=False)
torch.save(linear, path("torch/module.pt"))


class Harm:
    def __reduce__(self):
        return (os.system, ("touch /tmp/hyperglow-harm",))


torch.save({"w": t, "x": Harm()}, path("torch/harm.pt"))


def z2(file, a, chunks, **settings):
    # version 2 keeps float16 and the like under NumPy's names
    z = zarr.create_array(path(file), shape=a.shape, dtype=a.dtype, chunks=chunks, zarr_format=2, **settings)
    z[...] = a
    says(file, "data", a)


import numcodecs
w = r.standard_normal((9, 4)).astype("f4")
z2("zarr2/plain.zarr", w, (4, 3), compressors=None)
z2("zarr2/blosc.zarr", w, (4, 3), compressors=numcodecs.Blosc(cname="lz4", shuffle=1))
z2("zarr2/zlib.zarr", w.astype("f8"), (2, 4), compressors=numcodecs.Zlib())
z2("zarr2/gzip.zarr", w.astype("i4"), (9, 4), compressors=numcodecs.GZip())
z2("zarr2/zstd.zarr", w.astype("f2"), (4, 4), compressors=numcodecs.Zstd())
z2("zarr2/lz4.zarr", np.arange(9), (4,), compressors=numcodecs.LZ4())
z2("zarr2/fortran.zarr", w, (4, 3), compressors=None, order="F")
z2("zarr2/big.zarr", w.astype(">f8"), (4, 3), compressors=numcodecs.Zlib())
z2("zarr2/slashes.zarr", w, (4, 3), compressors=None, chunk_key_encoding={"name": "v2", "separator": "/"})
z2("zarr2/bool.zarr", w > 0, (4, 3), compressors=None)
part = zarr.create_array(path("zarr2/missing.zarr"), shape=(6, 2), dtype="f4", chunks=(3, 2), zarr_format=2, fill_value=float("nan"))
part[:3] = 1
says("zarr2/missing.zarr", "data", part[...])
g = zarr.open_group(path("zarr2/group.zarr"), mode="w", zarr_format=2)
for key, a in (("fc1", w), ("y", np.arange(9))):
    g.create_array(key, data=a, chunks=(4,) + a.shape[1:])
    says("zarr2/group.zarr", key, a)


def z3(file, a, chunks, **settings):
    z = zarr.create_array(path(file), shape=a.shape, dtype=a.dtype, chunks=chunks, zarr_format=3, **settings)
    z[...] = a
    says(file, "data", a)


z3("zarr3/plain.zarr", w, (4, 3))
z3("zarr3/none.zarr", w.astype("i8"), (4, 3), compressors=None)
z3("zarr3/blosc.zarr", w, (4, 3), compressors=[BloscCodec(cname="zstd", shuffle="shuffle", typesize=4)])
z3("zarr3/gzip.zarr", w.astype("f8"), (4, 3), compressors=[GzipCodec(), Crc32cCodec()])
z3("zarr3/big.zarr", w, (4, 3), serializer=BytesCodec(endian="big"))
z3("zarr3/transposed.zarr", w, (4, 3), filters=[TransposeCodec(order=(1, 0))])
z3("zarr3/half.zarr", w.astype("f2"), (4, 3))
z3("zarr3/shards.zarr", w, (2, 2), shards=(6, 4))
z3("zarr3/bool.zarr", w > 0, (4, 3))
z3("zarr3/cube.zarr", r.standard_normal((5, 3, 4)).astype("f4"), (2, 2, 3))
part = zarr.create_array(path("zarr3/missing.zarr"), shape=(6, 2), dtype="f2", chunks=(3, 2), fill_value=np.nan)
part[:3] = 1
says("zarr3/missing.zarr", "data", part[...])
g = zarr.open_group(path("zarr3/group.zarr"), mode="w")
for key, a in (("fc1", w), ("inner/fc2", w[:, :2]), ("y", np.arange(9))):
    z = g.create_array(key, data=np.ascontiguousarray(a), chunks=(4,) + a.shape[1:])
    says("zarr3/group.zarr", key, a)
g.create_array("names", data=np.array(["a", "b"], "U1"))

files = {}
for below, _, names in os.walk(folder):
    for name in sorted(names):
        full = os.path.join(below, name)
        files[os.path.relpath(full, folder)] = base64.b64encode(open(full, "rb").read()).decode()
shutil.rmtree(folder)
made = {m.__name__: m.__version__ for m in (np, ml_dtypes, safetensors, torch, zarr)}
json.dump({"made": made, "values": values, "files": dict(sorted(files.items()))}, sys.stdout, indent=0)
