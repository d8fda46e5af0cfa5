import { readFileSync } from 'node:fs'
import { parseExactJson } from '@weir/exact-json'
import { parseDocument, visit } from 'yaml'

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** A YAML or JSON file whose numbers keep their digits. Throws for what cannot be read. */
export const readFixUp = (file: string): object => {
  const document = parseDocument(readFileSync(file, 'utf8'))
  const [error] = document.errors
  if (error !== undefined) throw new Error(`${file}: ${error.message}`)
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'number' && JSON_NUMBER.test(node.source ?? '')) {
        node.value = parseExactJson(node.source!)
      }
    },
  })
  return document.toJS() as object
}
