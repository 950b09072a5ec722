import { Layer, type Shape, type Tensor } from '../ts/index.js'

/** A layer with one gain for each entry of its input. */
export class Scale extends Layer<{ gain: Tensor }> {
  build(inputShape: Shape) {
    this.param('gain', inputShape, 'ones')
    return inputShape
  }
  apply({ gain }: { gain: Tensor }, x: Tensor) {
    return x.mul(gain)
  }
}
