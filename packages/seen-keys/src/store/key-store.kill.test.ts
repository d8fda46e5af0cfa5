import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { checkStore, openStore } from '../testing/transactions.ts'

const KILLS = 25
const script = join(import.meta.dirname, '../testing/apply-main.ts')

/** Runs the child for a random time after its first transaction, kills it, and returns the last that it committed. */
const runAndKill = async (folder: string): Promise<number> => {
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  const begun = new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      resolve()
    })
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await Promise.race([begun, ended])
  // Each kill meets the child in another place; the state that it leaves is what is tested, not the time.
  await sleep(Math.random() * 150)
  child.kill('SIGKILL')
  await ended
  expect(errors).toBe('')
  return Number(output.trimEnd().split('\n').at(-1))
}

it('holds, after each of many kills, exactly the transactions that its state offset covers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-kill-'))
  try {
    let included = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const committed = await runAndKill(folder)
      const opened = await openStore(folder)
      expect(opened.discarded).toBeUndefined()
      const now = checkStore(opened)
      await opened.store.close()
      // Never ahead of what was committed, nor behind what it had said before.
      expect(now).toBeLessThanOrEqual(committed + 1)
      expect(now).toBeGreaterThanOrEqual(included)
      included = now
    }
    expect(included).toBeGreaterThan(KILLS)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 180_000)
