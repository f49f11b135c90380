"""The peer's side of the bench's protocol (README.md): JSON, one object a line. What libraries print goes to stderr."""
import json, os, re, sys, time, traceback

PROTOCOL = 1


class Measured:
    """seconds and peak memory of the part inside `with`."""

    def __enter__(self):
        if sys.platform == "linux":
            with open("/proc/self/clear_refs", "w") as f:
                f.write("5")
        self.begun = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.begun
        self.peak = peak()


def peak():
    if sys.platform == "linux":
        with open("/proc/self/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(versions, open_side, works):
    """open_side(request) prepares; works[name](request) -> (Measured, tokens, check)."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(line):
        out.write(json.dumps(line) + "\n")
        out.flush()

    say({"hello": "kv-distill bench", "protocol": PROTOCOL, "versions": versions})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["work"] == "open":
                open_side(request)
                say({"id": request["id"], "seconds": 0, "tokens": 0, "peakBytes": None, "check": {}})
                continue
            if request["work"] not in works:
                raise ValueError(f"this peer does not do {request['work']}")
            measured, tokens, check = works[request["work"]](request)
            say({"id": request["id"], "seconds": measured.seconds, "tokens": tokens, "peakBytes": measured.peak, "check": check})
        except Exception as error:  # the bench tells it and goes on without this peer
            traceback.print_exc()
            say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
