/** Programs for other frameworks that write outputs of layers, in the layout that `readActivations` reads. */

const pytorch = `"""Writes the outputs of the layers of a PyTorch model for the same samples, epoch by epoch.

    record = Recorder(model, x_test, y_test, "dump/seed_1")
    record(0)                                   # before training
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        record(epoch)

Then: npx hyperglow plane dump --out figures
"""
import os

import numpy as np
import torch


class Recorder:
    def __init__(self, model, x, y, folder, layers=None):
        self.model, self.x, self.folder = model, x, folder
        leaves = [name for name, module in model.named_modules() if name and not list(module.children())]
        self.layers = list(layers or leaves)
        os.makedirs(folder, exist_ok=True)
        np.save(os.path.join(folder, "x.npy"), x.detach().cpu().numpy())
        np.save(os.path.join(folder, "y.npy"), torch.as_tensor(y).cpu().numpy())

    @torch.no_grad()
    def __call__(self, epoch):
        answers = {}

        def keep(name):
            def hook(module, inputs, output):
                answers[name] = output.detach().flatten(1).float().cpu().numpy()

            return hook

        handles = [self.model.get_submodule(name).register_forward_hook(keep(name)) for name in self.layers]
        was_training = self.model.training
        try:
            self.model.eval()
            self.model(self.x)
        finally:
            self.model.train(was_training)
            for handle in handles:
                handle.remove()
        path = os.path.join(self.folder, f"epoch_{epoch}.npz")
        with open(path + ".part", "wb") as file:
            np.savez(file, **answers)
        os.replace(path + ".part", path)
`

const keras = `"""Writes the outputs of the layers of a Keras model for the same samples, epoch by epoch.

    model.fit(x_train, y_train, epochs=50, callbacks=[Recorder(x_test, y_test, "dump/seed_1")])

Then: npx hyperglow plane dump --out figures
"""
import os

import keras
import numpy as np


class Recorder(keras.callbacks.Callback):
    def __init__(self, x, y, folder, layers=None):
        super().__init__()
        self.x, self.folder, self.layers = x, folder, layers
        os.makedirs(folder, exist_ok=True)
        np.save(os.path.join(folder, "x.npy"), np.asarray(x))
        np.save(os.path.join(folder, "y.npy"), np.asarray(y))

    def on_train_begin(self, logs=None):
        layers = self.layers or [layer.name for layer in self.model.layers if layer.weights]
        outputs = {name: self.model.get_layer(name).output for name in layers}
        self.answers = keras.Model(self.model.inputs, outputs)
        self.write(0)

    def on_epoch_end(self, epoch, logs=None):
        self.write(epoch + 1)

    def write(self, epoch):
        answers = self.answers.predict(self.x, verbose=0)
        flat = {name: np.asarray(value).reshape(len(value), -1) for name, value in answers.items()}
        path = os.path.join(self.folder, f"epoch_{epoch}.npz")
        with open(path + ".part", "wb") as file:
            np.savez(file, **flat)
        os.replace(path + ".part", path)
`

/** Recorders by framework. */
export const recorders = { pytorch, keras } as const

/** A framework with a recorder. */
export type Framework = keyof typeof recorders
