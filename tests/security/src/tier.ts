export type Tier = 'short' | 'full'
