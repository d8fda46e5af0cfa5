import { createHash } from 'node:crypto'

const LENGTH = 16

const collect = (value: unknown, path: string, found: Set<string>): void => {
  if (Array.isArray(value)) {
    found.add(`${path}:array`)
    for (const one of value) collect(one, `${path}[]`, found)
  } else if (typeof value === 'object' && value !== null) {
    found.add(`${path}:object`)
    for (const [name, one] of Object.entries(value)) collect(one, `${path}/${JSON.stringify(name)}`, found)
  } else {
    found.add(`${path}:${value === null ? 'null' : typeof value}`)
  }
}

/** Identifies a payload's shape, its paths and types, for ever: a pure function, whatever the order of keys. */
export const fingerprintOf = (payload: unknown): string => {
  const found = new Set<string>()
  collect(payload, '', found)
  return createHash('sha256')
    .update([...found].sort().join('\n'))
    .digest('hex')
    .slice(0, LENGTH)
}
