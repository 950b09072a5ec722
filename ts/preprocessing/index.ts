/** From arrays to data that models train on. */
export { DataGenerator, type SplitOptions } from './data-generator.js'
