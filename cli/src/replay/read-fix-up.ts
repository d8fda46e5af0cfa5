import { readFileSync } from 'node:fs'
import { ConfigError } from '@weir/runtime'
import { parseExactJson } from '@weir/exact-json'
import { parseDocument, visit } from 'yaml'

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Reads a YAML or JSON file whose numbers keep their digits. Throws a `ConfigError` for an unreadable file. */
export const readFixUp = (file: string): object => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`--fix-up ${file}: cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  const document = parseDocument(text)
  const [error] = document.errors
  if (error !== undefined) throw new ConfigError(`${file}: ${error.message}`)
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'number' && JSON_NUMBER.test(node.source ?? '')) {
        node.value = parseExactJson(node.source!)
      }
    },
  })
  return document.toJS() as object
}
