"""Loops by hand, compiled by `numba_peer.py` (with `parallel=True` where there are two threads: then
`prange` is one).

Constants come in as arguments of the row's dtype: a literal would make float32 kernels compute in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

Array = Any
TILE = 32


def elem12(x: Array, out: Array) -> None:
    half, more = x.dtype.type(0.5), x.dtype.type(1.5)
    for i in prange(x.size):
        v = x[i]
        a = math.exp(v * v * -half)
        b = math.log(abs(v) + more)
        out[i] = math.tanh(a * b + v) * half - math.sqrt(a)


def axpy(a: float, x: Array, y: Array, out: Array) -> None:
    for i in prange(x.size):
        out[i] = a * x[i] + y[i]


def black_scholes(spot: Array, strike: Array, years: Array, out: Array) -> None:
    real = spot.dtype.type
    rate, volatility, drift = real(0.02), real(0.3), real(0.02 + 0.3**2 / 2)
    half, one, root = real(0.5), real(1), real(2**-0.5)
    for i in prange(spot.size):
        spread = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + drift * years[i]) / spread
        d2 = d1 - spread
        n1, n2 = half * (one + math.erf(d1 * root)), half * (one + math.erf(d2 * root))
        out[i] = spot[i] * n1 - strike[i] * math.exp(-rate * years[i]) * n2


def transpose_add(x: Array, out: Array) -> None:
    n = x.shape[0]
    for block in prange((n + TILE - 1) // TILE):
        top = block * TILE
        for left in range(0, n, TILE):
            for i in range(top, min(top + TILE, n)):
                for j in range(left, min(left + TILE, n)):
                    out[i, j] = x[i, j] + x[j, i]


def softmax(x: Array, out: Array) -> None:
    for i in prange(x.shape[0]):
        row, to = x[i], out[i]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        total = largest - largest
        for j in range(row.size):
            to[j] = math.exp(row[j] - largest)
            total += to[j]
        scale = x.dtype.type(1) / total
        for j in range(row.size):
            to[j] *= scale


def layernorm(x: Array, weight: Array, bias: Array, out: Array) -> None:
    count, epsilon = x.dtype.type(x.shape[1]), x.dtype.type(1e-5)
    for i in prange(x.shape[0]):
        row = x[i]
        total = count - count
        for j in range(row.size):
            total += row[j]
        mean = total / count
        squares = count - count
        for j in range(row.size):
            squares += (row[j] - mean) * (row[j] - mean)
        r = x.dtype.type(1) / math.sqrt(squares / count + epsilon)
        for j in range(row.size):
            out[i, j] = (row[j] - mean) * r * weight[j] + bias[j]


def add1(x: Array) -> Array:
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = x[i] + 1
    return out


def fma(x: Array, y: Array, z: Array) -> Array:
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = x[i] * y[i] + z[i]
    return out


def variance(x: Array) -> Array:
    count = x.dtype.type(x.size)
    total = count - count
    for i in prange(x.size):
        total += x[i]
    mean = total / count
    squares = count - count
    for i in prange(x.size):
        squares += (x[i] - mean) * (x[i] - mean)
    return squares / count


def sum_axis0(x: Array) -> Array:
    """Columns in blocks that stay in the first cache, so that rows are read in order."""
    n, width = x.shape[1], 256
    out = np.zeros(n, x.dtype)
    for block in prange((n + width - 1) // width):
        left, right = block * width, min(n, block * width + width)
        part = np.zeros(width, x.dtype)
        for i in range(x.shape[0]):
            for j in range(left, right):
                part[j - left] += x[i, j]
        out[left:right] = part[: right - left]
    return out


def sum_axis1(x: Array) -> Array:
    out = np.empty(x.shape[0], x.dtype)
    for i in prange(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total
    return out


def sum_all(x: Array) -> Array:
    flat = x.ravel()
    total = x.dtype.type(0)
    for i in prange(flat.size):
        total += flat[i]
    return total


def max_axis0(x: Array) -> Array:
    n, width = x.shape[1], 256
    out = np.empty(n, x.dtype)
    for block in prange((n + width - 1) // width):
        left, right = block * width, min(n, block * width + width)
        part = x[0, left:right].copy()
        for i in range(1, x.shape[0]):
            for j in range(left, right):
                v = x[i, j]
                part[j - left] = v if v > part[j - left] else part[j - left]
        out[left:right] = part
    return out


def max_axis1(x: Array) -> Array:
    out = np.empty(x.shape[0], x.dtype)
    for i in prange(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        out[i] = largest
    return out


def max_all(x: Array) -> Array:
    flat = x.ravel()
    largest = flat[0]
    for i in prange(flat.size):
        largest = max(largest, flat[i])
    return largest


def argmax_axis0(x: Array) -> Array:
    n, width = x.shape[1], 256
    out = np.zeros(n, np.int64)
    for block in prange((n + width - 1) // width):
        left, right = block * width, min(n, block * width + width)
        best = x[0, left:right].copy()
        where = np.zeros(right - left, np.int64)
        for i in range(1, x.shape[0]):
            for j in range(left, right):
                v, k = x[i, j], j - left
                larger = v > best[k]
                best[k] = v if larger else best[k]
                where[k] = i if larger else where[k]
        out[left:right] = where
    return out


def argmax_axis1(x: Array) -> Array:
    out = np.empty(x.shape[0], np.int64)
    for i in prange(x.shape[0]):
        best, where = x[i, 0], 0
        for j in range(1, x.shape[1]):
            if x[i, j] > best:
                best, where = x[i, j], j
        out[i] = where
    return out


def argmax_all(x: Array) -> Array:
    """Rows first, in parallel; then the best row."""
    rows = np.empty(x.shape[0], np.int64)
    for i in prange(x.shape[0]):
        best, where = x[i, 0], 0
        for j in range(1, x.shape[1]):
            if x[i, j] > best:
                best, where = x[i, j], j
        rows[i] = where
    found = 0
    for i in range(1, x.shape[0]):
        if x[i, rows[i]] > x[found, rows[found]]:
            found = i
    return found * x.shape[1] + rows[found]


def outer_exp_sum(x: Array, y: Array) -> Array:
    out = np.empty_like(x)
    for i in prange(x.size):
        total = x.dtype.type(0)
        for j in range(y.size):
            total += math.exp(x[i] + y[j])
        out[i] = total
    return out


def logsumexp(x: Array) -> Array:
    out = np.empty(x.shape[0], x.dtype)
    for i in prange(x.shape[0]):
        row = x[i]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        total = largest - largest
        for j in range(row.size):
            total += math.exp(row[j] - largest)
        out[i] = largest + math.log(total)
    return out


def logsumexp_vjp(x: Array, g: Array) -> Array:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        row, to = x[i], out[i]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        total = largest - largest
        for j in range(row.size):
            to[j] = math.exp(row[j] - largest)
            total += to[j]
        scale = g[i] / total
        for j in range(row.size):
            to[j] *= scale
    return out


def softmax_vjp(x: Array, g: Array) -> Array:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        row, to, d = x[i], out[i], g[i]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        total = largest - largest
        dot = largest - largest
        for j in range(row.size):
            to[j] = math.exp(row[j] - largest)
            total += to[j]
            dot += to[j] * d[j]
        dot /= total
        for j in range(row.size):
            to[j] = to[j] / total * (d[j] - dot)
    return out


def layernorm_vjp(x: Array, weight: Array, bias: Array, g: Array, parts: int) -> Any:
    """Rows in `parts` strips, each with its own sums for weight and bias: one pass over x and g."""
    rows, n = x.shape
    count, epsilon, one = x.dtype.type(n), x.dtype.type(1e-5), x.dtype.type(1)
    dx = np.empty_like(x)
    dweight, dbias = np.zeros((parts, n), x.dtype), np.zeros((parts, n), x.dtype)
    for part in prange(parts):
        for i in range(part * rows // parts, (part + 1) * rows // parts):
            total = count - count
            for j in range(n):
                total += x[i, j]
            mean = total / count
            squares = count - count
            for j in range(n):
                squares += (x[i, j] - mean) * (x[i, j] - mean)
            r = one / math.sqrt(squares / count + epsilon)
            first, second = count - count, count - count
            for j in range(n):
                normal, d = (x[i, j] - mean) * r, g[i, j]
                dweight[part, j] += d * normal
                dbias[part, j] += d
                first += d * weight[j]
                second += d * weight[j] * normal
            first /= count
            second /= count
            for j in range(n):
                dx[i, j] = r * (g[i, j] * weight[j] - first - (x[i, j] - mean) * r * second)
    for part in range(1, parts):
        dweight[0] += dweight[part]
        dbias[0] += dbias[part]
    return dx, dweight[0], dbias[0]


def gemm(a: Array, b: Array) -> Array:
    return np.dot(a, b)


def gemm_bias_relu(a: Array, b: Array, bias: Array) -> Array:
    out = np.dot(a, b)
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = max(out[i, j] + bias[j], out.dtype.type(0))
    return out


def bmm(a: Array, b: Array) -> Array:
    out = np.empty((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    for i in prange(a.shape[0]):
        np.dot(a[i], b[i], out[i])
    return out


def tanh_bias(z: Array, bias: Array) -> None:
    for i in prange(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = math.tanh(z[i, j] + bias[j])


def tanh_back(d: Array, h: Array) -> None:
    for i in prange(d.shape[0]):
        for j in range(d.shape[1]):
            d[i, j] *= h.dtype.type(1) - h[i, j] * h[i, j]


def descend(p: Array, g: Array, rate: float) -> None:
    for i in prange(p.shape[0]):
        for j in range(p.shape[1]):
            p[i, j] -= rate * g[i, j]


def descend_bias(p: Array, d: Array, rate: float) -> None:
    for j in range(p.size):
        total = d.dtype.type(0)
        for i in range(d.shape[0]):
            total += d[i, j]
        p[j] -= rate * total


def cross_entropy_back(logits: Array, bias: Array, labels: Array) -> float:
    """The mean cross-entropy; `logits` becomes its gradient."""
    one = logits.dtype.type(1)
    rows = logits.dtype.type(logits.shape[0])
    cost = one - one
    for i in range(logits.shape[0]):
        largest = logits[i, 0] + bias[0]
        for j in range(logits.shape[1]):
            logits[i, j] += bias[j]
            largest = max(largest, logits[i, j])
        total = one - one
        right = logits[i, labels[i]] - largest
        for j in range(logits.shape[1]):
            logits[i, j] = math.exp(logits[i, j] - largest)
            total += logits[i, j]
        cost -= right - math.log(total)
        for j in range(logits.shape[1]):
            logits[i, j] /= total * rows
        logits[i, labels[i]] -= one / rows
    return cost / rows


def logreg_step(x: Array, y: Array, w: Array, b: Array, rate: float) -> float:
    """Updates w and b (of shape (1,)) in place."""
    one = x.dtype.type(1)
    zero = one - one
    rows = x.dtype.type(x.shape[0])
    dw = np.zeros_like(w)
    cost, db = zero, zero
    for i in range(x.shape[0]):
        z = b[0]
        for j in range(x.shape[1]):
            z += x[i, j] * w[j]
        e = math.exp(-abs(z))
        cost += max(z, zero) + math.log1p(e) - y[i] * z
        p = one / (one + e) if z >= zero else e / (one + e)
        d = (p - y[i]) / rows
        db += d
        for j in range(x.shape[1]):
            dw[j] += d * x[i, j]
    for j in range(w.size):
        w[j] -= rate * dw[j]
    b[0] -= rate * db
    return cost / rows


def rnn(xs: Array, w: Array) -> Array:
    out = np.empty_like(xs)
    h = np.zeros_like(w)
    for t in range(xs.shape[0]):
        for j in range(w.size):
            h[j] = math.tanh(w[j] * h[j] + xs[t, j])
            out[t, j] = h[j]
    return out


def lstm(x: Array, wx: Array, wh: Array, b: Array) -> Array:
    steps, batch, n = x.shape
    one = x.dtype.type(1)
    z_all = np.dot(x.reshape(steps * batch, n), wx).reshape(steps, batch, 4 * n)
    out = np.empty_like(x)
    h, c = np.zeros((batch, n), x.dtype), np.zeros((batch, n), x.dtype)
    for t in range(steps):
        z = np.dot(h, wh)
        for r in prange(batch):
            for j in range(n):
                i = one / (one + math.exp(-(z[r, j] + z_all[t, r, j] + b[j])))
                f = one / (one + math.exp(-(z[r, n + j] + z_all[t, r, n + j] + b[n + j])))
                g = math.tanh(z[r, 2 * n + j] + z_all[t, r, 2 * n + j] + b[2 * n + j])
                o = one / (one + math.exp(-(z[r, 3 * n + j] + z_all[t, r, 3 * n + j] + b[3 * n + j])))
                c[r, j] = f * c[r, j] + i * g
                h[r, j] = o * math.tanh(c[r, j])
        out[t] = h
    return out


def newton(a: float, tolerance: float) -> float:
    x, step = 1.0, 1.0
    while abs(step) > tolerance:
        e = math.exp(x)
        step = (x * e - a) / (e * (x + 1.0))
        x -= step
    return x


def gather(table: Array, ids: Array) -> Array:
    out = np.empty((ids.size, table.shape[1]), table.dtype)
    for i in prange(ids.size):
        out[i] = table[ids[i]]
    return out


def scatter_add(table: Array, ids: Array, rows: Array) -> Array:
    """The copy in parallel, the additions not: ids repeat."""
    new = np.empty_like(table)
    for i in prange(table.shape[0]):
        new[i] = table[i]
    for i in range(ids.size):
        for j in range(rows.shape[1]):
            new[ids[i], j] += rows[i, j]
    return new


def embed_sgd(ids: Array, target: Array, table: Array, rate: float) -> float:
    """Differences first, since ids repeat; then the rows in place."""
    d = np.empty_like(target)
    cost = target.dtype.type(0)
    for i in prange(ids.size):
        for j in range(target.shape[1]):
            v = table[ids[i], j] - target[i, j]
            d[i, j] = v
            cost += v * v
    for i in range(ids.size):
        for j in range(target.shape[1]):
            table[ids[i], j] -= rate * d[i, j]
    return cost / 2


def jacobi(u: Array, sweeps: int) -> Array:
    a, b = u.copy(), u.copy()
    quarter = u.dtype.type(0.25)
    for _ in range(sweeps):
        for i in prange(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                b[i, j] = quarter * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
        a, b = b, a
    return a


def kmeans(x: Array, centres: Array) -> Array:
    products = np.dot(x, centres.T)
    squares = (centres * centres).sum(axis=1)
    out = np.empty(x.shape[0], np.int64)
    for i in prange(x.shape[0]):
        best, where = squares[0] - 2 * products[i, 0], 0
        for j in range(1, centres.shape[0]):
            d = squares[j] - 2 * products[i, j]
            if d < best:
                best, where = d, j
        out[i] = where
    return out


def nbody(position: Array, mass: Array, softening: float) -> Array:
    n = position.shape[0]
    # One array a coordinate: the inner loop then reads in order.
    x, y, z = position[:, 0].copy(), position[:, 1].copy(), position[:, 2].copy()
    out = np.empty_like(position)
    for i in prange(n):
        ax = ay = az = 0.0
        for j in range(n):
            dx, dy, dz = x[j] - x[i], y[j] - y[i], z[j] - z[i]
            square = dx * dx + dy * dy + dz * dz + softening
            pull = mass[j] / (square * math.sqrt(square))
            ax += dx * pull
            ay += dy * pull
            az += dz * pull
        out[i, 0], out[i, 1], out[i, 2] = ax, ay, az
    return out


def mandelbrot(re: Array, im: Array, iterations: int) -> Array:
    out = np.empty((im.size, re.size))
    for i in prange(im.size):
        for j in range(re.size):
            zr = zi = 0.0
            count = 0
            for _ in range(iterations):
                zr, zi = zr * zr - zi * zi + re[j], 2 * zr * zi + im[i]
                if zr * zr + zi * zi > 4.0:
                    break
                count += 1
            out[i, j] = count
    return out


def maxpool(x: Array) -> Array:
    n, channels, height, width = x.shape
    out = np.empty((n, channels, height // 2, width // 2), x.dtype)
    for plane in prange(n * channels):
        p, q = plane // channels, plane % channels
        for i in range(height // 2):
            for j in range(width // 2):
                top = max(x[p, q, 2 * i, 2 * j], x[p, q, 2 * i, 2 * j + 1])
                bottom = max(x[p, q, 2 * i + 1, 2 * j], x[p, q, 2 * i + 1, 2 * j + 1])
                out[p, q, i, j] = max(top, bottom)
    return out
