import { readFileSync } from 'node:fs'
import {
  AuditCheck,
  decodeAuditRecord,
  isAuditHead,
  topicNames,
  type AuditHead,
  type UnreadableRange,
} from '@weir/contracts'
import { readAuditLog, type InputRecord } from '@weir/kafka'
import { ConfigError } from '@weir/runtime'
import type { Command } from 'commander'
import { loadTopicsConfig } from '../config.ts'
import { print, printJson, printRows, progress, withJson, type OutputOptions, type Row } from '../output.ts'

const COLUMNS = {
  offset: 'OFFSET',
  at: 'AT',
  what: 'WHAT',
  name: 'WHO',
  role: 'ROLE',
  address: 'FROM',
  service: 'THROUGH',
  details: 'DETAILS',
}
const FAULT_COLUMNS = { offset: 'OFFSET', writer: 'WRITER', fault: 'FAULT' }
const ROWS_MAX = 10_000

interface ListOptions extends OutputOptions {
  readonly limit: string
  readonly what?: string
  readonly who?: string
}

const numberOf = (text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= ROWS_MAX) return value
  throw new ConfigError(`--limit is ${text}: give a whole number from 1 to ${ROWS_MAX}.`)
}

/** The latest records, newest last. */
const list = async ({ limit, what, who, json = false }: ListOptions): Promise<void> => {
  const rowsMax = numberOf(limit)
  const config = loadTopicsConfig()
  const rows: Row[] = []
  const onRecord = ({ offset, value }: InputRecord): void => {
    const record = decodeAuditRecord(value)
    if (record === undefined) return
    if (what !== undefined && record.what !== what) return
    if (who !== undefined && record.who.name !== who) return
    const { at, details } = record
    const { name, role, address, service } = record.who
    const time = new Date(at).toISOString()
    rows.push({ offset: String(offset), at: time, what: record.what, name, role, address, service, details })
    if (rows.length > rowsMax) rows.shift()
  }
  const onUnreadable = ({ from, to }: UnreadableRange): void => {
    progress(`Offsets ${from} to ${to} cannot be read: see \`weir audit-log verify\`.`)
  }
  await readAuditLog(config, topicNames(config.topicPrefix).auditLog, { onRecord, onUnreadable })
  printRows(COLUMNS, rows, { json })
}

/** The heads that an earlier `verify --json` has printed. */
const readHeads = (file: string): readonly AuditHead[] => {
  try {
    const written = JSON.parse(readFileSync(file, 'utf8')) as { readonly heads?: unknown } | null
    const heads: unknown = written?.heads
    if (Array.isArray(heads) && heads.every(isAuditHead)) return heads
  } catch (error) {
    throw new ConfigError(
      `--seen ${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'it is not JSON'}).`,
    )
  }
  throw new ConfigError(
    `--seen ${file}: it has no heads. Give what \`weir audit-log verify --json\` has written.`,
  )
}

const verify = async ({ seen, json = false }: OutputOptions & { readonly seen?: string }): Promise<void> => {
  const config = loadTopicsConfig()
  const check = new AuditCheck(seen === undefined ? [] : readHeads(seen))
  const topic = topicNames(config.topicPrefix).auditLog
  const { start } = await readAuditLog(config, topic, {
    onRecord: (record) => check.add(record.offset, record),
    onUnreadable: (range) => check.addUnreadable(range),
  })
  check.end(start)
  const { recordCount: records, faultCount, faults, openHeads: heads } = check
  if (json) printJson({ records, faults, faultCount, heads })
  else {
    print(`${records} records, ${faultCount} faults, ${heads.length} open ends`)
    if (faults.length > 0) printRows(FAULT_COLUMNS, faults as unknown as readonly Row[], { json })
  }
  process.exitCode = faultCount === 0 ? 0 : 1
}

/** `weir audit-log ...`: shows who has read or changed what, and verifies the log. */
export const addAuditLogCommands = (program: Command): void => {
  const auditLog = program
    .command('audit-log')
    .description('Shows who has read, exported, replayed, discarded or cancelled, and verifies the log.')
  withJson(auditLog.command('ls').description('Lists the latest records, newest last.'))
    .option('--limit <n>', 'at most so many', '100')
    .option('--what <action>', 'one action, such as letters.export')
    .option('--who <name>', 'one holder of a token')
    .action(list)
  withJson(
    auditLog
      .command('verify')
      .description(
        'Finds records that were removed, changed, moved or inserted; exits with 1 when it finds one.',
      ),
  )
    .option('--seen <file>', 'records that an earlier verify --json has listed must still be there')
    .action(verify)
}
