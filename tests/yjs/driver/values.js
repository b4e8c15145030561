// Values to and from what JSON can hold; `values.py` is the other side.

export const pack = value => {
  if (value === undefined) return null
  if (typeof value === 'bigint') return { $bigint: value.toString() }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Map) return packEntries(value)
  if (Array.isArray(value)) return value.map(pack)
  if (value === null || typeof value !== 'object') return value
  // What an edit returns is often a part of the document: nobody asks for that.
  return Object.getPrototypeOf(value) === Object.prototype ? packEntries(Object.entries(value)) : null
}

export const unpack = value => {
  if (Array.isArray(value)) return value.map(unpack)
  if (value === null || typeof value !== 'object') return value
  if ('$bigint' in value) return BigInt(value.$bigint)
  if ('$bytes' in value) return new Uint8Array(Buffer.from(value.$bytes, 'base64'))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]))
}

const packEntries = entries =>
  Object.fromEntries(Array.from(entries, ([key, value]) => [key, pack(value)]))
