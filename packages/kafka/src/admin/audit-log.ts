import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AuditCheck,
  encodeAuditRecord,
  topicNames,
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
  type UnreadableRange,
} from '@weir/contracts'
import { RetriableError } from '../client/errors.ts'
import { openMaintenance, type Claim, type Maintenance } from './maintenance.ts'
import { readAuditLog, type AuditLogVisitor } from './read-audit-log.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'

/** Records every audited action before its request is answered. */
export interface AuditLog {
  /**
   * Resolves when the entry is committed. Rejects with a `RetriableError` when it may not be; the action must then not
   * be carried out.
   */
  write(entry: AuditEntry): Promise<void>
  close(): Promise<void>
}

interface Waiting {
  readonly entry: AuditEntry
  readonly resolve: () => void
  readonly reject: (error: RetriableError) => void
}

const WAITING_MAX = 1_000
const BATCH_MAX = 100
const WRITE_MS_MAX = 5_000
const RETRY_MS = 200

/** One hash chain, with the transaction client that appends to it. */
interface Writer {
  readonly id: string
  readonly maintenance: Maintenance
  readonly claim: Claim
  readonly heads: readonly AuditHead[]
  readonly unreadable: readonly UnreadableRange[]
  seq: number
  previous: string | null
}

/** Opens the audit log. Every process has its own chain and transactional id, so no process waits for another. */
export const openAuditLog = (settings: KafkaSettings, logger: KafkaLogger): AuditLog =>
  new KafkaAuditLog(settings, logger)

class KafkaAuditLog implements AuditLog {
  readonly #settings: KafkaSettings
  readonly #logger: KafkaLogger
  readonly #topic: string
  /** Remembers the records read so far, so that the chain after an error reads only newer ones. */
  readonly #check = new AuditCheck()
  #next = 0n
  #waiting: Waiting[] = []
  #writer: Writer | undefined
  #writing: Promise<void> | undefined

  constructor(settings: KafkaSettings, logger: KafkaLogger) {
    this.#settings = settings
    this.#logger = logger
    this.#topic = topicNames(settings.topicPrefix).auditLog
  }

  write(entry: AuditEntry): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(
        new RetriableError(`${WAITING_MAX} entries wait for the audit log: try again later`),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#drop()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH_MAX)
      this.#waiting = this.#waiting.slice(BATCH_MAX)
      try {
        await this.#commitInTime(batch)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        this.#logger.error(
          { error: String(error) },
          'the audit log cannot be written: audited requests are refused until it can',
        )
        const refused = new RetriableError('the audit log cannot be written', { cause: error })
        for (const { reject } of batch) reject(refused)
      }
    }
    // Runs in the same turn as the last check of the queue, so no entry is left waiting.
    this.#writing = undefined
  }

  /** A partition may have no leader for a moment, after a broker restart or when its topic is new. */
  async #commitInTime(batch: readonly Waiting[]): Promise<void> {
    const deadline = performance.now() + WRITE_MS_MAX
    for (;;) {
      try {
        await this.#commit(batch)
        return
      } catch (error) {
        if (performance.now() > deadline) throw error
      }
      await sleep(RETRY_MS)
    }
  }

  /**
   * Appends a batch to the chain. After any error the chain ends, because the result of its last transaction is
   * unknown. The next chain names the heads that it finds in the log.
   */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      this.#writer ??= await this.#open()
      const writer = this.#writer
      const encoded = batch.map(({ entry }) => {
        const { id, seq, previous, heads, unreadable } = writer
        const record: AuditRecord = {
          writer: id,
          seq,
          at: Date.now(),
          previous,
          ...(seq === 0 && { heads, ...(unreadable.length > 0 && { unreadable }) }),
          ...entry,
        }
        const { record: one, hash } = encodeAuditRecord(record)
        writer.seq += 1
        writer.previous = hash
        return { ...one, topic: this.#topic, partition: 0 }
      })
      await writer.claim.commit(encoded)
    } catch (error) {
      await this.#drop()
      throw error
    }
  }

  async #open(): Promise<Writer> {
    const id = randomUUID()
    const heads = await this.#readHeads()
    const maintenance = await openMaintenance({
      settings: this.#settings,
      service: `audit-${id}`,
      outputs: [this.#topic],
    })
    try {
      const claim = await maintenance.claim(0)
      const unreadable = this.#check.unreadableToName
      return { id, maintenance, claim, heads, unreadable, seq: 0, previous: null }
    } catch (error) {
      await maintenance.close()
      throw error
    }
  }

  async #readHeads(): Promise<readonly AuditHead[]> {
    const visitor: AuditLogVisitor = {
      onRecord: (record) => {
        this.#check.add(record.offset, record)
        this.#next = record.offset + 1n
      },
      onUnreadable: (range) => {
        this.#check.addUnreadable(range)
        this.#next = BigInt(range.to) + 1n
        this.#logger.error({ topic: this.#topic, ...range }, 'records of the audit log cannot be read')
      },
    }
    const { end } = await readAuditLog(this.#settings, this.#topic, visitor, this.#next)
    if (end >= this.#next) return this.#check.headsToName
    // The log lost its end or was created again. The new chain still names the known heads, so `verify` reports what is
    // missing.
    this.#next = 0n
    return this.#readHeads()
  }

  async #drop(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await writer?.claim.close().catch(() => undefined)
    await writer?.maintenance.close().catch(() => undefined)
  }
}
