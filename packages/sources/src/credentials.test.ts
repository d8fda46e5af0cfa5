import { isBearer } from '@weir/contracts'
import { expect, it } from 'vitest'
import { isBasic } from './credentials.ts'

it('compares tokens', () => {
  for (const header of ['Bearer t', 'bearer t', 'BEARER t', 'bEaReR  t'])
    expect(isBearer(header, 't')).toBe(true)
  for (const header of [
    undefined,
    '',
    't',
    ' t',
    'Bearer',
    'Bearert',
    'Bearer\tt',
    'Basic t',
    'Bearer t ',
    'Bearer T',
  ])
    expect(isBearer(header, 't')).toBe(false)
  expect(isBearer(undefined, '')).toBe(false)
  for (const scheme of ['Basic', 'basic', 'BASIC'])
    expect(isBasic(`${scheme} ${btoa('u:p')}`, 'u:p')).toBe(true)
  for (const header of [undefined, 'Basic u:p', `Bearer ${btoa('u:p')}`, `Basic ${btoa('u:q')}`])
    expect(isBasic(header, 'u:p')).toBe(false)
})
