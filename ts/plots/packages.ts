/**
 * The drawing packages. They are large and optional, so they are loaded when the first chart is drawn. Their types are declared here as far as
 * they are used, so that the library's types do not depend on them.
 */
import { StateError } from '../core/errors.js'

/** A Vega view, as far as it is used. */
export interface VegaView {
  toSVG(): Promise<string>
  toCanvas(scale: number, options: { externalContext: unknown }): Promise<unknown>
  signal(name: string, value: unknown): VegaView
  runAsync(): Promise<unknown>
  finalize(): void
}

/** Loads a package by name; replaceable, so that a missing package can be tested. */
export type Importer = (name: string) => Promise<unknown>

/** The import expression of JavaScript. */
export const importPackage: Importer = (name) => import(name)

/** @throws StateError if the package is not installed */
export async function loadPackage<T>(name: string, purpose: string, importer: Importer): Promise<T> {
  try {
    return (await importer(name)) as T
  } catch (cause) {
    throw new StateError(
      `${purpose} needs the package ${name}, which cannot be loaded; ` +
        'install the drawing packages with "npm install vega@6 vega-lite@6 @resvg/resvg-js@2 pdfkit@0.20", ' +
        "or save the chart as '.vl.json', which needs none",
      { cause },
    )
  }
}
