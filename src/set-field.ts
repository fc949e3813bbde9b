/** Sets a field, whatever its name: an assignment to `__proto__` would change the prototype. */
export function setField(target: Record<string | symbol, unknown>, name: string | symbol, value: unknown): void {
  if (name !== '__proto__') target[name] = value
  else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
}
