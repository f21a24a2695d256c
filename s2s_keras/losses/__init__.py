"""What training minimizes."""

from s2s_keras.losses.ctc import CTC as CTC
