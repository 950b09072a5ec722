/** The convolution of all convolution layers. */
import { ShapeError } from '../core/errors.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type Padding, paddingPairs, type Window } from './windows.js'

/** Geometry of one convolution. */
interface Geometry {
  /** The layer's name, for messages. */
  readonly name: string
  readonly window: Window
  readonly padding: Padding
  readonly groups: number
}

/**
 * The convolution of x with a kernel, and the bias: with a leading batch axis of the weights, every sample has its own weights.
 *
 * @param x `[batch, channels, ...extents]`; @param weights `kernel` (filters, channels / groups, ...kernel), `bias` (filters)
 * @throws ShapeError if x has other channels or axes than the kernel
 */
export function convolved(
  x: Tensor,
  weights: { readonly kernel: Tensor; readonly bias?: Tensor },
  geometry: Geometry,
): Tensor {
  const { name, window, groups } = geometry
  const rank = window.kernel.length
  checkInputs(name, weights, x, ['kernel'])
  const { kernel, bias } = weights
  const perSample = kernel.rank === rank + 3
  const channels = (kernel.shape[perSample ? 2 : 1] as number) * groups
  if (x.rank !== rank + 2 || x.shape[1] !== channels) {
    throw new ShapeError(
      `${name}: expected an input [batch, ${channels}, ...${rank} spatial], received [${x.shape}]`,
    )
  }
  const y = perSample ? convPerSample(x, kernel, geometry) : conv(x, kernel, geometry, groups)
  if (bias === undefined) return y
  return y.add(bias.reshape([...bias.shape, ...window.kernel.map(() => 1)]))
}

function conv(x: Tensor, kernel: Tensor, { name, window, padding }: Geometry, groups: number): Tensor {
  const { stride, dilation } = window
  const spatial: Shape = x.shape.slice(2)
  return x.conv(kernel, { stride, dilation, padding: paddingPairs(name, padding, window, spatial), groups })
}

/** Samples become groups of one wide convolution. */
function convPerSample(x: Tensor, kernel: Tensor, geometry: Geometry): Tensor {
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]]
  const wide = x.reshape([1, batch * channels, ...spatial])
  const y = conv(wide, kernel.reshape([-1, ...kernel.shape.slice(2)]), geometry, batch * geometry.groups)
  return y.reshape([batch, -1, ...y.shape.slice(2)])
}
