"""What training minimizes."""

from s2s_keras.losses.alignment_likelihood import AlignmentLikelihood as AlignmentLikelihood
from s2s_keras.losses.cross_entropy import CrossEntropy as CrossEntropy
from s2s_keras.losses.ctc import CTC as CTC
from s2s_keras.losses.mixture_of_logistics import MixtureOfLogistics as MixtureOfLogistics
from s2s_keras.losses.multi_resolution_spectrum import MultiResolutionSpectrum as MultiResolutionSpectrum
from s2s_keras.losses.stop_token_cross_entropy import StopTokenCrossEntropy as StopTokenCrossEntropy
