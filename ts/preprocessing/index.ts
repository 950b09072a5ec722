/** From arrays to data that models train on. */
export { DataGenerator, type DataGeneratorOptions, type SplitOptions } from './data-generator.js'
