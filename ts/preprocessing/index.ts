/** From arrays to data that models train on. */
import { guardReceivers } from '../receiver.js'
import * as own from './index.js'

export { DataGenerator, type DataGeneratorOptions, type SplitOptions } from './data-generator.js'

guardReceivers(own)
