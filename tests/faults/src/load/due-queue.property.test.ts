import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DueQueue } from './due-queue.ts'

it('gives back everything, the earliest first, and nothing before it is due', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100)), fc.nat(100), (times, now) => {
      const queue = new DueQueue<number>()
      for (const time of times) queue.add(time, time)
      const taken: number[] = []
      for (let one = queue.take(now); one !== undefined; one = queue.take(now)) taken.push(one)
      expect(taken).toEqual(times.filter((time) => time <= now).sort((a, b) => a - b))
      expect(queue.size).toBe(times.length - taken.length)
    }),
  )
})
