export * from './drain.ts'
export * from './examine.ts'
export * from './observer.ts'
