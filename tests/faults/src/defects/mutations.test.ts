import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { describe, expect, it } from 'vitest'
import { DEFECTS } from './defects.ts'
import { mutate, MUTATIONS, type Mutation } from './mutations.ts'

const ROOT = new URL('../../../../', import.meta.url)

describe.each(Object.entries(MUTATIONS))('%s', (name, mutations: readonly Mutation[]) => {
  it('fits the source as it is now, and what comes out can be read', () => {
    for (const file of new Set(mutations.map((mutation) => mutation.file))) {
      const source = readFileSync(new URL(file, ROOT), 'utf8')
      const planted = mutations.filter((mutation) => mutation.file === file).reduce(mutate, source)
      expect(planted).not.toBe(source)
      stripTypeScriptTypes(planted)
    }
  })

  it('has a run that must find it', () => {
    const defect = DEFECTS.find((one) => one.mutation === name)
    expect(defect?.env).toMatchObject({ WEIR_PROFILE: 'dev', WEIR_DEFECT: name })
  })
})

it('says when a place is not there, or more than once', () => {
  const mutation = { file: 'a.ts', find: 'x', replace: 'y' }
  expect(mutate('a x b', mutation)).toBe('a y b')
  expect(() => mutate('a b', mutation)).toThrow('a.ts has 0 times "x"')
  expect(() => mutate('x x', mutation)).toThrow('a.ts has 2 times "x"')
})
