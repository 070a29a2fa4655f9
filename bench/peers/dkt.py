"""DKT in PyTorch, as a competitor of `cohort bench peers`.

usual   the code that DKT repositories share: every sequence padded to 200, the
        head computed for every skill, the asked one picked by a one-hot product
mended  batches of like lengths padded to their longest, the head computed where
        there is an answer, the asked skill gathered

Reads a folder that cohort wrote (see peers.go) and, for each line of standard
input, "dense" or "epoch", does that once and prints {"seconds", "loss", "auc"}.
"""

import json
import sys
import time

import numpy as np
import torch

PADDED = 200


def sequences(path):
    flat = np.fromfile(path, dtype="<i4")
    out, at = [], 0
    while at < len(flat):
        n = int(flat[at])
        out.append(flat[at + 1:at + 1 + 3 * n].reshape(3, n))
        at += 1 + 3 * n
    return out


class DKT(torch.nn.Module):
    def __init__(self, meta, flat):
        super().__init__()
        q, e, h = meta["skills"], meta["embed"], meta["hidden"]
        self.skills = q
        self.embed = torch.nn.Embedding(2 * q, e)
        self.lstm = torch.nn.LSTM(e, h, batch_first=True)
        self.head = torch.nn.Linear(h, q)
        at = 0

        def take(*shape):
            nonlocal at
            n = int(np.prod(shape))
            at += n
            return torch.from_numpy(flat[at - n:at].reshape(shape).copy())

        with torch.no_grad():
            self.embed.weight.copy_(take(2 * q, e))
            self.lstm.weight_ih_l0.copy_(take(e, 4 * h).T)
            self.lstm.weight_hh_l0.copy_(take(h, 4 * h).T)
            self.lstm.bias_ih_l0.copy_(take(4 * h))
            self.lstm.bias_hh_l0.zero_()  # one bias, as cohort has
            self.head.weight.copy_(take(q, h))
            self.head.bias.copy_(take(q))
        self.lstm.bias_hh_l0.requires_grad_(False)


def pad(batch, length):
    x, ask, right = (torch.zeros(len(batch), length, dtype=torch.long) for _ in range(3))
    mask = torch.zeros(len(batch), length, dtype=torch.bool)
    for k, s in enumerate(batch):
        n = s.shape[1]
        x[k, :n], ask[k, :n], right[k, :n] = (torch.from_numpy(r.astype(np.int64)) for r in s)
        mask[k, :n] = True
    return x, ask, right.float(), mask


def usual(model, batch):
    x, ask, right, mask = pad(batch, PADDED)
    h, _ = model.lstm(model.embed(x))
    p = torch.sigmoid(model.head(h))
    p = (p * torch.nn.functional.one_hot(ask, model.skills)).sum(-1)
    return torch.masked_select(p, mask), torch.masked_select(right, mask)


def usual_loss(p, right):
    return torch.nn.functional.binary_cross_entropy(p, right)


def mended(model, batch):
    x, ask, right, mask = pad(batch, max(s.shape[1] for s in batch))
    h, _ = model.lstm(model.embed(x))
    z = model.head(h[mask]).gather(1, ask[mask].unsqueeze(1)).squeeze(1)
    return z, right[mask]


def mended_loss(z, right):
    return torch.nn.functional.binary_cross_entropy_with_logits(z, right)


def auc(score, right):
    order = np.argsort(score, kind="stable")
    s, r = score[order], right[order]
    _, first, count = np.unique(s, return_index=True, return_counts=True)
    rank = np.repeat(first + (count + 1) / 2, count)
    p = r.sum()
    return float((rank[r > 0].sum() - p * (p + 1) / 2) / (p * (len(r) - p)))


def main():
    mode, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    forward, loss_of = (usual, usual_loss) if mode == "usual" else (mended, mended_loss)
    meta = json.load(open(f"{folder}/meta.json"))
    flat = np.fromfile(f"{folder}/weights.f32", dtype="<f4")
    size = meta["batch"]
    dense = sequences(f"{folder}/dense.i32")
    train = "train.i32" if mode == "usual" else "sorted.i32"

    def run_dense(model):
        loss = loss_of(*forward(model, dense))
        loss.backward()
        return loss.item(), 0.0

    def run_epoch(model):
        optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=meta["lr"])
        seqs, total, answers = sequences(f"{folder}/{train}"), 0.0, 0
        for at in range(0, len(seqs), size):
            optimiser.zero_grad()
            score, right = forward(model, seqs[at:at + size])
            loss = loss_of(score, right)
            loss.backward()
            optimiser.step()
            total, answers = total + loss.item() * len(right), answers + len(right)
        valid = sorted(sequences(f"{folder}/valid.i32"), key=lambda s: s.shape[1]) if mode == "mended" else sequences(f"{folder}/valid.i32")
        with torch.no_grad():
            parts = [forward(model, valid[at:at + size]) for at in range(0, len(valid), size)]
        score, right = (torch.cat([p[k] for p in parts]).numpy() for k in (0, 1))
        return total / answers, auc(score, right)

    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for line in sys.stdin:
        model = DKT(meta, flat)
        start = time.perf_counter()
        loss, area = run_dense(model) if line.strip() == "dense" else run_epoch(model)
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss, "auc": area}), flush=True)


main()
