import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../plan/step.ts'
import type { Killable, Servers } from './servers.ts'

export type StoreFault = Fault & { kind: 'server-kill' | 'server-stall' | 'server-slow' | 'black-hole' }

/** Breaks PostgreSQL, the registry or InfluxDB for a time. */
export const breakStore = async (servers: Servers, fault: StoreFault): Promise<void> => {
  const server = servers[fault.server]
  if (server === undefined) throw new Error(`there is no ${fault.server}`)
  const proxy = servers.storeProxies[fault.server]
  switch (fault.kind) {
    case 'server-kill':
      await bounce(server, fault.downMs)
      return
    case 'server-stall':
      server.signal('SIGSTOP')
      await sleep(fault.ms)
      server.signal('SIGCONT')
      return
    case 'server-slow':
      proxy.set({ kind: 'slow', ms: fault.pieceMs })
      await sleep(fault.ms)
      proxy.set({ kind: 'pass' })
      return
    case 'black-hole':
      proxy.set({ kind: 'silent' })
      await sleep(fault.ms)
      proxy.set({ kind: 'pass' })
  }
}

export const bounce = async (server: Killable, downMs: number): Promise<void> => {
  await server.kill()
  await sleep(downMs)
  await server.start()
}
