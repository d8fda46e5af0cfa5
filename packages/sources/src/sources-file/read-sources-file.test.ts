import { expect, it } from 'vitest'
import { SOURCES } from '../presets/index.ts'
import { readSourcesFile } from './read-sources-file.ts'

const read = (text: string) => readSourcesFile('sources.yaml', () => text)
const names = (text: string) => read(text).sources.map(({ name }) => name)

it('keeps the built-in sources beside those of the file', () => {
  const text = 'version: 1\nsources:\n  deploys: { preset: github }\n  nice: { preset: nice }\n'
  expect(names(text)).toEqual(['deploys', 'nice', 'cxone', 'cognigy', 'cxone-dataaction'])
  expect(read(text).named).toEqual(new Set(['deploys', 'nice']))
})

it('has only the sources of the file if builtIn is false', () => {
  expect(names('version: 1\nbuiltIn: false\nsources:\n  deploys: { preset: github }\n')).toEqual(['deploys'])
})

it('lets a source of the file use paths of a built-in one', () => {
  const { sources } = read(
    'version: 1\nsources:\n  calls: { preset: cxone, paths: [/webhooks/cxone] }\n  all: { preset: nice, paths: [/webhooks/nice, /cxone/webhook/data-action] }\n',
  )
  expect(Object.fromEntries(sources.map(({ name, paths }) => [name, paths]))).toEqual({
    calls: ['/webhooks/cxone'],
    all: ['/webhooks/nice', '/cxone/webhook/data-action'],
    cxone: ['/api/CXoneEventReceiver'],
    cognigy: SOURCES.find(({ name }) => name === 'cognigy')!.paths,
    'cxone-dataaction': SOURCES.find(({ name }) => name === 'cxone-dataaction')!.paths,
  })
})

it('gives no source if it is invalid, and reports each problem separately', () => {
  expect(read('version: 2').sources).toEqual([])
  expect(read('version: 2').problems).toEqual([
    expect.stringMatching(/sources: must be a map/),
    expect.stringMatching(/version: 2 must be 1$/),
  ])
})
