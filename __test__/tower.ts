/** Nested modules for the tests of modules. */

import { type Context, Dense, Layer, Module, type Shape, type Tensor, type Weights } from '../ts/index.js'

/** A module with two child modules. */
export class Block extends Module {
  readonly inner: Dense
  readonly outer: Dense

  constructor(units: number) {
    super()
    this.inner = this.child('inner', new Dense(units, { activation: 'tanh' }))
    this.outer = this.child('outer', new Dense(units))
  }

  build(inputShape: Shape) {
    return this.outer.declare(this.inner.declare(inputShape))
  }

  apply(weights: Weights, x: Tensor, ctx: Context) {
    return x.add(this.runChild(this.outer, weights, this.runChild(this.inner, weights, x, ctx), ctx))
  }
}

/** A layer of three levels, with parameters on each level. */
export class Tower extends Layer {
  readonly blocks = [0, 1].map((index) => this.child(`blocks.${index}`, new Block(3)))
  readonly head = this.child('head', new Dense(2))

  build(inputShape: Shape) {
    const top = this.blocks.reduce((shape, block) => block.declare(shape), inputShape)
    this.param('gain', top, 'ones')
    return this.head.declare(top)
  }

  apply(weights: Weights, x: Tensor, ctx: Context) {
    const top = this.blocks.reduce((h, block) => this.runChild(block, weights, h, ctx), x)
    return this.runChild(this.head, weights, top.mul(weights.gain as Tensor), ctx)
  }
}
