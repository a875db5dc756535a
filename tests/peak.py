"""What a computation holds at most, by torch's own records."""

from torch.profiler import ProfilerActivity, profile


def peak_bytes(work):
    """Bytes allocated at once beyond what was there before, and the largest single piece of them."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held, most, largest = 0, 0, 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most, largest = max(most, held), max(largest, event.nbytes())
    return most, largest
