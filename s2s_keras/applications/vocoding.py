"""How spectrograms become audio."""


def as_vocoder(vocoder, front_end):
    raise NotImplementedError
