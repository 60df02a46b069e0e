"""The Python peers of `npm run bench`: reads one JSON request a line, answers with one JSON line.

Requests: {"file", "rows", "columns", "what", "count"?, "k"?}; `file` holds little-endian float64, row-major. Or {"what": "difference", "file",
"other", "offset", "count"}; both files hold `count` bfloat16 from byte `offset` on. Answers: {"peer": seconds | null, …} with null for a library
that cannot be imported.
"""
import json
import sys
import time

try:
    import numpy
except ImportError:
    numpy = None
try:
    import scipy
    import scipy.linalg
    import scipy.optimize
    import scipy.sparse.linalg
except ImportError:
    scipy = None
try:
    import torch
except ImportError:
    torch = None


def seconds(run):
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def exact(matrix):
    yield "numpy f64", numpy and (lambda: numpy.linalg.svd(matrix, compute_uv=False))
    yield "torch f64", torch and (lambda: torch.linalg.svdvals(torch.from_numpy(matrix)))


def fast(matrix):
    narrow = matrix.astype(numpy.float32)
    yield "scipy f32", scipy and (lambda: scipy.linalg.svd(narrow, compute_uv=False, check_finite=False))
    yield "torch f32", torch and (lambda: torch.linalg.svdvals(torch.from_numpy(narrow)))


def loop(matrices):
    yield "numpy f64", lambda: [numpy.linalg.svd(matrix, compute_uv=False) for matrix in matrices]


def top(matrix, k):
    narrow = matrix.astype(numpy.float32)
    yield "scipy svds", scipy and (lambda: scipy.sparse.linalg.svds(narrow, k=k, return_singular_vectors=False))


def assign(costs):
    yield "scipy", scipy and (lambda: scipy.optimize.linear_sum_assignment(costs))


def moments(values):
    """What the engine's one pass gives, the way it is usually written."""
    yield "numpy f32", lambda: (
        values.min(), values.max(), values.mean(), values.std(), numpy.abs(values).sum(), (values == 0).sum(),
        numpy.isnan(values).sum(), numpy.isinf(values).sum(), numpy.quantile(values, [.001, .01, .05, .25, .5, .75, .95, .99, .999]),
    )


# Elements at a time: temporaries of this size stay in the caches and are used again, which is the quicker way in both libraries.
PIECE = 1 << 19


def difference(request):
    """What the engine's one pass over two bfloat16 tensors gives, the way one who knows the library writes it: widened, then subtracted, in pieces."""
    codes = [
        numpy.memmap(request[side], dtype=numpy.uint8, mode="c", offset=request["offset"], shape=(2 * request["count"],)).view(numpy.uint16)
        for side in ("file", "other")
    ]
    pieces = [slice(first, first + PIECE) for first in range(0, request["count"], PIECE)]

    def in_numpy():
        for piece in pieces:
            x, y = (side[piece] for side in codes)
            a, b = ((side.astype(numpy.uint32) << 16).view(numpy.float32) for side in (x, y))
            delta = b - a
            size = numpy.abs(delta)
            yield (
                numpy.dot(delta, delta), numpy.dot(a, a), numpy.dot(b, b), numpy.dot(a, b), size.sum(), size.max(), size.argmax(),
                (x != y).sum(), (a * b < 0).sum(), (numpy.isfinite(a) & numpy.isfinite(b)).sum(),
            )

    def in_torch():
        stored = [torch.from_numpy(side.view(numpy.int16)) for side in codes]
        for piece in pieces:
            x, y = (side[piece] for side in stored)
            a, b = (side.view(torch.bfloat16).float() for side in (x, y))
            delta = b - a
            size = delta.abs()
            yield (
                torch.dot(delta, delta), torch.dot(a, a), torch.dot(b, b), torch.dot(a, b), size.sum(), size.max(), size.argmax(),
                (x != y).sum(), (a * b < 0).sum(), (torch.isfinite(a) & torch.isfinite(b)).sum(),
            )

    def quicker_of_threads():
        """Seconds with all threads and with one: where cores are few, torch's threads wait for each other longer than they work."""
        every = torch.get_num_threads()
        together = seconds(lambda: list(in_torch()))
        torch.set_num_threads(1)
        alone = seconds(lambda: list(in_torch()))
        torch.set_num_threads(every)
        return min(together, alone)

    yield "numpy", seconds(lambda: list(in_numpy()))
    yield "torch", torch and quicker_of_threads()


print(json.dumps({
    "numpy": numpy and numpy.__version__, "scipy": scipy and scipy.__version__, "torch": torch and torch.__version__,
}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if numpy is not None and request["what"] == "difference":
        answer = dict(difference(request))
    elif numpy is not None:
        count = request.get("count", 1)
        data = numpy.fromfile(request["file"], dtype=numpy.float64, count=count * request["rows"] * request["columns"])
        matrices = data.reshape(count, request["rows"], request["columns"])
        what = request["what"]
        if what == "loop":
            peers = loop(matrices)
        elif what == "moments":
            peers = moments(data.astype(numpy.float32))
        elif what == "top":
            peers = top(matrices[0], request["k"])
        else:
            peers = {"exact": exact, "fast": fast, "assign": assign}[what](matrices[0])
        answer = {name: seconds(run) if run else None for name, run in peers}
    print(json.dumps(answer), flush=True)
