export * from './audit.ts'
export * from './ledger.ts'
export type * from './observed.ts'
export type * from './operation.ts'
