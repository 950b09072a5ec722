/** A valid call: its function, its arguments, and how it is made. The fuzzer changes one thing in it. */

/** Makes the arguments anew for every call. */
export type MakeArgs = () => readonly unknown[]

export interface Call {
  /** The export it is of: `sum`, `new Dense`, `Dense.call`. */
  readonly name: string
  readonly args: MakeArgs
  readonly run: (args: readonly unknown[]) => unknown
}

/** Arguments of a function, and further calls on its result: returned functions are called too. */
export interface Row {
  readonly args: MakeArgs
  readonly use?: (result: never) => unknown
}

type Rows = MakeArgs | Row | readonly (MakeArgs | Row)[]
/** Rows by the names of functions. */
export type FunctionTable = Readonly<Record<string, Rows>>

type Callable = (...args: unknown[]) => unknown

const rowsOf = (rows: Rows): readonly Row[] =>
  (Array.isArray(rows) ? (rows as readonly (MakeArgs | Row)[]) : [rows as MakeArgs | Row]).map((row) =>
    typeof row === 'function' ? { args: row } : row,
  )

/** Calls of free functions. */
export function functionCalls(functions: Readonly<Record<string, unknown>>, table: FunctionTable): Call[] {
  return Object.entries(table).flatMap(([name, rows]) =>
    rowsOf(rows).map(({ args, use }): Call => {
      const f = functions[name] as Callable
      const run = (given: readonly unknown[]) => {
        const result = f(...given)
        return use === undefined ? result : use(result as never)
      }
      return { name, args, run }
    }),
  )
}

type Constructor = new (...args: unknown[]) => object

/** A call of `new`. */
export function constructorCall(name: string, type: unknown, args: MakeArgs): Call {
  const run = (given: readonly unknown[]) => new (type as Constructor)(...given)
  return { name: `new ${name}`, args, run }
}

/** Calls of methods, on an object made for each. */
export function methodCalls(
  type: string,
  make: () => unknown,
  methods: Readonly<Record<string, MakeArgs>>,
): Call[] {
  return Object.entries(methods).map(([method, args]): Call => {
    const run: Call['run'] = (given) => {
      const own = make() as Record<string, unknown>
      return (own[method] as Callable).apply(own, [...given])
    }
    return { name: `${type}.${method}`, args, run }
  })
}

/** A call that assigns to a property. */
export function setterCall(type: string, make: () => unknown, property: string, value: MakeArgs): Call {
  const run: Call['run'] = ([given]) => {
    const own = make() as Record<string, unknown>
    own[property] = given
    return own[property]
  }
  return { name: `${type}.${property}=`, args: value, run }
}
