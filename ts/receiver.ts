/** Methods that are called on something else than an object of their class. */
import { ArgumentError, describe } from './errors.js'
import { isInstance } from './options.js'

/** A class, abstract or not. */
type Type = abstract new (...args: never[]) => object

const isType = (value: unknown): value is Type =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))

/**
 * Makes the methods of classes refuse any `this` but an object of the class, as after `const { fit } = model`. Without it the engine
 * speaks of private fields, or a method goes on with whatever it got.
 *
 * @param exports the exports of a module; what is no class is passed over
 */
export function guardReceivers(exports: Readonly<Record<string, unknown>>): void {
  for (const type of Object.values(exports)) if (isType(type) && !guarded.has(type)) guardMethods(type)
}

/** Classes that are done: several modules export the same ones. */
const guarded = new WeakSet<Type>()

function guardMethods(type: Type): void {
  guarded.add(type)
  for (const name of Object.getOwnPropertyNames(type.prototype)) {
    const property = Object.getOwnPropertyDescriptor(type.prototype, name) as PropertyDescriptor
    const method: unknown = property.value
    if (name === 'constructor' || typeof method !== 'function') continue
    const refusing = function (this: unknown, ...args: unknown[]): unknown {
      if (!isInstance(this, type)) throw wrongReceiver(type.name, name, this)
      return method.apply(this, args)
    }
    Object.defineProperty(refusing, 'name', { value: name, configurable: true })
    Object.defineProperty(refusing, 'length', { value: method.length, configurable: true })
    Object.defineProperty(type.prototype, name, { ...property, value: refusing })
  }
}

function wrongReceiver(type: string, name: string, given: unknown): ArgumentError {
  return new ArgumentError(
    `${name}: called on ${describe(given)}, expected an object of class ${type}; call it as a method of its object, object.${name}(...)`,
  )
}
