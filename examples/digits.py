"""Two models on scikit-learn's handwritten digits, in Theano's style. Run it, or look inside: `tensorc dump
examples/digits.py:train --stage loops`.
"""

import numpy as np
from sklearn.datasets import load_digits

import tensorc as tc

rng = np.random.default_rng(0)
images, labels = load_digits(return_X_y=True)
order = rng.permutation(len(labels))
images, labels = images[order] / 16.0, labels[order].astype(np.int64)
split = len(labels) * 4 // 5

x, y = tc.matrix("x"), tc.lvector("y")
w1 = tc.shared(rng.normal(0, 64**-0.5, (64, 128)), name="w1")
b1 = tc.shared(np.zeros(128), name="b1")
w2 = tc.shared(rng.normal(0, 128**-0.5, (128, 10)), name="w2")
b2 = tc.shared(np.zeros(10), name="b2")

hidden = tc.tanh(x @ w1 + b1)
p = tc.nn.softmax(hidden @ w2 + b2)
cost = -tc.mean(tc.log(p)[tc.arange(y.shape[0]), y])
parameters = [w1, b1, w2, b2]
updates = [(v, v - 0.2 * g) for v, g in zip(parameters, tc.grad(cost, parameters), strict=True)]

train = tc.function([x, y], cost, updates=updates, name="train")
predict = tc.function([x], tc.argmax(p, axis=1), name="predict")


def main() -> None:
    for epoch in range(30):
        for batch in np.array_split(rng.permutation(split), split // 32):
            value = train(images[batch], labels[batch])
        if epoch % 5 == 4:
            accuracy = np.mean(predict(images[split:]) == labels[split:])
            print(f"epoch {epoch + 1:2}: cost {float(value):.4f}, held-out accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
