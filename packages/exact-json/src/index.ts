export * from './array-slices.ts'
export * from './canonical.ts'
export * from './exact-json.ts'
