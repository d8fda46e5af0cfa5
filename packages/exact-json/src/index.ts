export * from './canonical.ts'
export * from './exact-json.ts'
