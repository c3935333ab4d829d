#!/usr/bin/python3
"""The other half of load.c: PyTorch's DataLoader with torchvision's usual ImageNet transforms, and the photos for both.

    load.py make FROM TO      photos below FROM/train/CLASS resized to 500x375, ImageNet's usual size, into TO
    load.py run DIR WORKERS SECONDS [BATCH]

run prints one line: images per second, and milliseconds of processor time an image (of the process and its workers), after the
first two batches. Workers are processes, which stay from epoch to epoch.
"""
import os
import sys
import time

WARMUP_BATCHES = 2
SIZE, QUALITY = (500, 375), 95


def make(source, target):
    from PIL import Image
    total = n = 0
    for part in ("train", "val"):
        for cls in sorted(os.listdir(os.path.join(source, part))):
            folder = os.path.join(target, part, cls)
            os.makedirs(folder, exist_ok=True)
            for name in sorted(os.listdir(os.path.join(source, part, cls))):
                with Image.open(os.path.join(source, part, cls, name)) as photo:
                    upright = SIZE if photo.width >= photo.height else SIZE[::-1]
                    path = os.path.join(folder, name)
                    photo.convert("RGB").resize(upright, Image.BICUBIC).save(path, quality=QUALITY)
                total, n = total + os.path.getsize(path), n + 1
    print("%d photos of 500x375, %.0f KB each" % (n, total / n / 1000))


def cpu_seconds(workers):
    """Of this process and of processes by their numbers."""
    total = sum(os.times()[:2])
    for pid in workers:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def run(folder, workers, seconds, batch):
    import torch
    from torchvision import datasets, transforms
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images = datasets.ImageFolder(os.path.join(folder, "train"), transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]))
    loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=workers, drop_last=True,
                                         persistent_workers=workers > 0)
    seen, n, began, began_cpu, total = 0, 0, 0.0, 0.0, 0.0
    while True:
        for pixels, labels in loader:
            total += float(pixels[:, 0, ::16, ::16].sum())
            seen += 1
            if seen == WARMUP_BATCHES:
                pids = [worker.pid for worker in loader._iterator._workers]
                began, began_cpu = time.perf_counter(), cpu_seconds(pids)
            elif seen > WARMUP_BATCHES:
                n += len(labels)
                if time.perf_counter() - began >= seconds:
                    print("%.1f %.3f" % (n / (time.perf_counter() - began), 1e3 * (cpu_seconds(pids) - began_cpu) / n))
                    return


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3])
else:
    run(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]) if len(sys.argv) > 5 else 64)
