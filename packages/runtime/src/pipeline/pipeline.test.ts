import { expect, test } from 'vitest'
import { deadLetter, drop, ok, startPipeline } from '../index.ts'

const parse = (text: string) => (text === '' ? deadLetter('invalid_json', 'empty body') : ok(Number(text)))
const positive = (n: number) => (n > 0 ? ok(n) : drop('not_positive'))
const pipeline = startPipeline<string>().step(parse).step(positive)

test('a value passes every step', () => {
  expect(pipeline.run('3')).toEqual({ kind: 'ok', value: 3, step: 'positive' })
  expect(pipeline.steps).toEqual(['parse', 'positive'])
})

test('the step that ends an event is named', () => {
  expect(pipeline.run('-1')).toEqual({ kind: 'drop', reason: 'not_positive', step: 'positive' })
  expect(pipeline.run('')).toEqual({
    kind: 'deadLetter',
    reason: 'invalid_json',
    error: 'empty body',
    step: 'parse',
  })
})

test('a step without a name is refused', () => {
  expect(() =>
    pipeline.step(
      (
        () => (n: number) =>
          ok(n)
      )(),
    ),
  ).toThrow(/name/)
})
