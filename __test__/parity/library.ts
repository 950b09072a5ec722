/** The built library as its users see it: which names it has, and whether programs against it compile. */
import { join } from 'node:path'
import ts from 'typescript-6'
import { packageRoot } from '../../ts/core/package-root.js'

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  skipLibCheck: true,
  noEmit: true,
}

/** Files that were read already, for the next program. */
const parsed = new Map<string, ts.SourceFile | undefined>()

/** The types of the built library, and programs that use them. */
export class Library {
  readonly #program: ts.Program
  readonly #exports: ReadonlyMap<string, ts.Symbol>

  /** @param programs texts of modules, by name */
  constructor(programs: ReadonlyMap<string, string>) {
    const texts = new Map([...programs].map(([name, text]) => [join(packageRoot, `${name}.mts`), text]))
    const host = ts.createCompilerHost(options)
    const { getSourceFile, fileExists, readFile } = host
    host.getSourceFile = (path, version, ...rest) => {
      const text = texts.get(path)
      if (text !== undefined) return ts.createSourceFile(path, text, version)
      if (!parsed.has(path)) parsed.set(path, getSourceFile.call(host, path, version, ...rest))
      return parsed.get(path)
    }
    host.fileExists = (path) => texts.has(path) || fileExists.call(host, path)
    host.readFile = (path) => texts.get(path) ?? readFile.call(host, path)
    const index = join(packageRoot, 'dist', 'index.d.ts')
    this.#program = ts.createProgram([index, ...texts.keys()], options, host)
    const checker = this.#program.getTypeChecker()
    const source = this.#program.getSourceFile(index)
    const module = source && checker.getSymbolAtLocation(source)
    const found = module === undefined ? [] : checker.getExportsOfModule(module)
    this.#exports = new Map(found.map((symbol) => [symbol.name, symbol]))
  }

  /** Names of all exports, types included. */
  get names(): readonly string[] {
    return [...this.#exports.keys()]
  }

  /** Whether there is an export, or a member of one: `Network`, `Network.fit`, `CompileOptions.loss`, `mnist.load`. */
  has(name: string): boolean {
    const checker = this.#program.getTypeChecker()
    const [head = '', ...members] = name.split('.')
    let symbol = this.#exports.get(head)
    for (const member of members) {
      if (symbol === undefined) return false
      if (symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol)
      const isType =
        symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)
      const type = isType ? checker.getDeclaredTypeOfSymbol(symbol) : checker.getTypeOfSymbol(symbol)
      symbol = checker.getPropertyOfType(type, member)
    }
    return symbol !== undefined
  }

  /** What does not compile, as `PROGRAM line N: MESSAGE`. */
  faults(): string[] {
    return ts
      .getPreEmitDiagnostics(this.#program)
      .filter(({ file }) => file?.fileName.endsWith('.mts'))
      .map(({ file, start = 0, messageText }) => {
        const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
        const name = file?.fileName.slice(packageRoot.length + 1, -'.mts'.length)
        return `${name} line ${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
      })
  }
}
