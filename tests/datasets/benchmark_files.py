"""Small files in the layouts of TVSum and SumMe."""

import h5py
import numpy as np
from scipy.io import savemat

FRAMES, STEP = 100, 15


def write_eccv16(path, videos=5, seed=0, **changes):
    """The field's HDF5 layout: 100 frames, every 15th sampled, three shots; `changes` as in `write_scores`."""
    rng, picks = np.random.default_rng(seed), np.arange(0, FRAMES, STEP)
    with h5py.File(path, "w") as file:
        for number in range(1, videos + 1):
            datasets = {
                "features": rng.normal(size=(len(picks), 8)).astype("f4"),
                "picks": picks,
                "gtscore": rng.random(len(picks)).astype("f4"),
                "gtsummary": (rng.random(len(picks)) < 0.2).astype("f4"),
                "user_summary": (rng.random((4, FRAMES)) < 0.2).astype("f4"),
                "n_frames": FRAMES,
                "n_steps": len(picks),
                "change_points": np.array([[0, 29], [30, 59], [60, FRAMES - 1]]),
                "n_frame_per_seg": np.array([30, 30, 40]),
            }
            for name, values in (datasets | changes).items():
                if values is not None:
                    file[f"video_{number}/{name}"] = values
    return str(path)


def write_tvsum(path, names=("AwmHb44_ouw", "98MoyGZKHXc"), frames=60, users=20, length_s=2.5):
    """TVSum's own file: a struct of MATLAB cells, which version 7.3 stores as references to datasets."""
    rng = np.random.default_rng(0)
    marks = {name: rng.integers(1, 6, (users, frames)) for name in names}
    with h5py.File(path, "w") as file:
        struct, cells = file.create_group("tvsum50"), file.create_group("#refs#")
        kinds = {
            "video": lambda name: _characters(name),
            "title": lambda name: _characters(f"How to {name}"),
            "category": lambda name: _characters("VT"),
            "length": lambda name: [[length_s]],
            "nframes": lambda name: [[float(frames)]],
            "user_anno": lambda name: marks[name].astype(float),
            "gt_score": lambda name: marks[name].mean(axis=0)[None],
        }
        for kind, make in kinds.items():
            references = []
            for name in names:
                cell = cells.create_dataset(f"{kind}_{name}", data=np.asarray(make(name)))
                references.append([cell.ref])
            struct.create_dataset(kind, data=np.array(references, dtype=h5py.ref_dtype))
    return str(path), marks


def write_summe(folder, name, frames=50, users=15):
    """One video of SumMe's folder GT: a person's choice is the rank of the segment that they chose, 0 where none."""
    folder.mkdir(exist_ok=True)
    scores = np.random.default_rng(len(name)).integers(0, 4, (frames, users)).astype(float)
    content = {"user_score": scores, "nFrames": float(frames), "FPS": 25.0, "video_duration": frames / 25}
    savemat(folder / f"{name}.mat", content | {"gt_score": scores.mean(axis=1)[:, None]})
    return scores


def _characters(text):
    return np.array([[ord(letter)] for letter in text], np.uint16)
