"""The part of `replicas` that only JAX' distribution over devices needs."""

import jax
import keras


def map_rows(function, x):
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return function(x)
    mesh, axis = distribution.device_mesh.backend_mesh, distribution.batch_dim_name
    if x.shape[0] % mesh.shape[axis]:
        return function(x)  # a batch that is not divided, such as that of `model(x)`
    rows = jax.sharding.PartitionSpec(axis)
    return jax.shard_map(function, mesh=mesh, in_specs=rows, out_specs=rows)(x)
