/** Charts as pages of PDF, with vectors and letters. */
import { type Importer, loadPackage, type VegaView } from './packages.js'
import { PdfContext, type PdfDocument } from './pdf-context.js'

interface PdfKit {
  readonly default: new (options: {
    size: readonly [number, number]
    margin: number
    pdfVersion: string
    info: Readonly<Record<string, unknown>>
  }) => PdfDocument & {
    on(event: 'data', take: (piece: Uint8Array) => void): void
    on(event: 'end', end: () => void): void
    on(event: 'error', fail: (error: Error) => void): void
    end(): void
  }
}

/** PDF points in a pixel of 1/96 inch. */
const points = 0.75

/**
 * Draws a view as a PDF of one page, as large as the view.
 *
 * @param size of the view in pixels
 * @param scale of the page: 1 makes a pixel 1/96 inch
 * @param title of the document
 * @throws StateError where pdfkit is not installed
 * @throws ArgumentError for images, patterns and letters that a page cannot hold
 */
export async function pdfOf(
  view: VegaView,
  size: { readonly width: number; readonly height: number },
  { scale, title, importer }: { readonly scale: number; readonly title: string; readonly importer: Importer },
): Promise<Uint8Array> {
  const { default: Document } = await loadPackage<PdfKit>('pdfkit', 'drawing a PDF', importer)
  const document = new Document({
    size: [size.width * points * scale, size.height * points * scale],
    margin: 0,
    // The first version with opacity is 1.4.
    pdfVersion: '1.7',
    // pdfkit writes the title into XML as it is.
    info: { ...(/[<&]/.test(title) ? {} : { Title: title }), Producer: 'hyperglow', Creator: 'hyperglow' },
  })
  const pieces: Uint8Array[] = []
  const whole = new Promise<void>((resolve, reject) => {
    document.on('data', (piece) => pieces.push(piece))
    document.on('end', resolve)
    document.on('error', reject)
  })
  document.transform(points * scale, 0, 0, points * scale, 0, 0)
  await view.toCanvas(1, { externalContext: new PdfContext(document) })
  document.end()
  await whole
  return new Uint8Array(Buffer.concat(pieces))
}
