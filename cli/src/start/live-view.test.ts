import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Block, wrap } from './live-view.ts'
import { Screen } from './testing/screen.ts'

const printable = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-'), minLength: 1, maxLength: 200 })

it('breaks lines without losing text, none wider than the terminal', () => {
  fc.assert(
    fc.property(printable, fc.integer({ min: 20, max: 120 }), (line, columns) => {
      const lines = wrap(line, columns)
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(columns)
      const letters = (text: string) => text.replaceAll(' ', '')
      expect(letters(lines.join(''))).toBe(letters(line))
    }),
  )
})

it('repaints itself at any width, also when the terminal gets narrower, and keeps printed lines', () => {
  const step = fc.oneof(
    fc.record({ lines: fc.array(printable, { minLength: 1, maxLength: 5 }) }),
    fc.record({ said: fc.string({ unit: fc.constantFrom('s', 't'), minLength: 1, maxLength: 20 }) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 21, max: 100 }), fc.array(step, { maxLength: 8 }), (columns, steps) => {
      const screen = new Screen(columns)
      const block = new Block({
        columns,
        rows: 1_000,
        isTTY: true,
        write: (text) => (screen.write(String(text)), true),
      })
      const said: string[] = []
      let block_: readonly string[] = []
      for (const one of steps) {
        if ('said' in one) {
          block.say(one.said)
          said.push(one.said)
        } else {
          block.paint(one.lines)
          block_ = one.lines.flatMap((line) => wrap(line, columns - 1)).map((line) => line.trimEnd())
        }
        expect(screen.lines).toEqual([...said, ...block_, ''])
      }
    }),
  )
})

it('repaints all rows of a block that a narrower terminal has wrapped', () => {
  let columns = 100
  const written: string[] = []
  const block = new Block({
    rows: 24,
    isTTY: true,
    get columns() {
      return columns
    },
    write: (text) => written.push(String(text)) > 0,
  })
  block.paint(['x'.repeat(90), 'y'])
  columns = 40
  block.paint(['z'])
  expect(written[1]).toBe('\x1b[4A\x1b[Jz\n')
})

const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript) process.stderr.write('the live view is not tested under a terminal: there is no `script`\n')

it.runIf(hasScript)('shows one block on a real terminal of 80 columns', async () => {
  const main = join(import.meta.dirname, 'testing/live-view-main.ts')
  const command = `stty cols 80 rows 24; exec ${process.execPath} ${main}`
  const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'])
  const screen = new Screen(80)
  screen.write(stdout)
  expect(screen.lines).toEqual([
    'InfluxDB is ready after 61 s',
    expect.stringMatching(/^unique 4   duplicates 0   conflicts 0   dead-lettered 0   rows 4   in flight 0$/),
    '  p50 12 ms p99 345 ms',
    'webhooks   http://127.0.0.1:3000/webhooks/<source>   (metrics: /metrics) and',
    '  more',
    'short',
    'not ready: persistence (partition 0 is backing_off, partition 1 is restoring,',
    '  partition 2 is parked)',
    '',
  ])
})
