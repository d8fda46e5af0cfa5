import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FolderLockedError, lockFolder } from './folder-lock.ts'

const HOLD = `
  const { lockFolder } = await import(process.argv[1])
  lockFolder(process.argv[2])
  process.stdout.write('locked')
  setInterval(() => undefined, 1000)
`

it('locks out other processes until the holder ends, however it ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-lock-'))
  const module = join(import.meta.dirname, 'folder-lock.ts')
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLD, module, folder])
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('exit', () => reject(new Error('the holder ended')))
    })
    expect(() => lockFolder(folder)).toThrow(FolderLockedError)
    child.removeAllListeners('exit')
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    const unlock = lockFolder(folder)
    expect(() => lockFolder(folder)).toThrow(`${folder} is in use by another process`)
    unlock()
    lockFolder(folder)()
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
