"""A small ResNet on Fashion-MNIST: the preset `resnet_mini_fashion_mnist`.

The commands that made it, from the repository's root, with the Debian package dataset-fashion-mnist installed:

    export KERAS_BACKEND=tensorflow
    s2s-keras train recipes/resnet_mini_fashion_mnist.py --output runs/fashion_mnist
"""

import keras

from s2s_keras.applications import ResNet
from s2s_keras.data import (
    FASHION_MNIST,
    FASHION_MNIST_LABELS,
    ImageDataset,
    RandomErasing,
    RandomFlip,
    RandomShift,
    load_fashion_mnist,
)
from s2s_keras.training import Recipe, distribution

DEV = 5000  # the last training pictures, which choose


class ResNetMiniFashionMNIST(Recipe):
    """Nine convolutions of size 3, most of them at a quarter of the pixels."""

    epochs = 26
    batch_size = 128
    learning_rate = 0.1
    monitor = "val_accuracy"
    monitor_mode = "max"
    data: str = FASHION_MNIST
    part: float = 1.0  # of the training pictures
    weight_decay: float = 5e-3
    label_smoothing: float = 0.1
    erase: float = 0.5
    shift: int = 2

    def model(self):
        return ResNet(
            blocks=(2, 2),
            filters=(64, 128),
            strides=(2, 2),
            bottleneck=False,
            stem=(32, 3, 1),
            stem_pool=False,
            image_shape=(28, 28, 1),
            mean=72.94,
            deviation=90.02,
            labels=FASHION_MNIST_LABELS,
            name="resnet_mini",
        )

    def training_data(self, model):
        workers = {"num_shards": distribution.process_count(), "shard_index": distribution.process_index()}
        images, labels = load_fashion_mnist("train", self.data)
        count = int((len(labels) - DEV) * self.part)
        return ImageDataset(
            images[:count],
            labels[:count],
            self.batch_size,
            augmentation=(RandomFlip(), RandomShift(self.shift), RandomErasing(self.erase)),
            shuffle=True,
            seed=self.seed,
            num_classes=len(FASHION_MNIST_LABELS),
            **workers,
        )

    def validation_data(self, model):
        images, labels = load_fashion_mnist("train", self.data)
        return ImageDataset(images[-DEV:], labels[-DEV:], 500, num_classes=len(FASHION_MNIST_LABELS))

    def optimizer(self, steps_per_epoch):
        steps, warmup = self.epochs * steps_per_epoch, steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=self.learning_rate, warmup_steps=warmup
        )
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=self.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def metrics(self, model):
        return ["accuracy"]
