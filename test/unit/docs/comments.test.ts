import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { root } from './pages.js'

const entries = ['src/index.ts', 'src/testing/index.ts']

const program = ts.createProgram({
  rootNames: entries.map(entry => join(root, entry)),
  options: {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noLib: true, // comments need no types
    types: [],
  },
})
const checker = program.getTypeChecker()

/** What an entry exports, as the symbols that were declared. */
function exportsOf(entry: string): ts.Symbol[] {
  const file = program.getSourceFile(join(root, entry))
  const module = file && checker.getSymbolAtLocation(file)
  if (!module) throw new Error(`Expected ${entry} to be a module`)
  const symbols = checker.getExportsOfModule(module)
  return symbols.map(symbol => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
}

type Member = ts.TypeElement | ts.ClassElement

/** The members that the declarations of a symbol write down, also those in the parts of a union. */
function membersOf(symbol: ts.Symbol): Member[] {
  return (symbol.declarations ?? []).flatMap(declaration => {
    if (ts.isInterfaceDeclaration(declaration)) return [...declaration.members]
    if (ts.isClassDeclaration(declaration)) return declaration.members.filter(isPublic)
    return ts.isTypeAliasDeclaration(declaration) ? literalMembers(declaration.type) : []
  })
}

function isPublic(member: ts.ClassElement): boolean {
  if (!member.name || ts.isPrivateIdentifier(member.name)) return false
  return !(ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected))
}

function literalMembers(type: ts.TypeNode): Member[] {
  if (ts.isTypeLiteralNode(type)) return [...type.members]
  if (ts.isUnionTypeNode(type) || ts.isIntersectionTypeNode(type)) return type.types.flatMap(literalMembers)
  return ts.isParenthesizedTypeNode(type) ? literalMembers(type.type) : []
}

/** A comment of its own, or of what it implements. */
function isDocumented(symbol: ts.Symbol): boolean {
  return symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0
}

/** Options are there to be set, methods to be called: each is explained. Of plain data the name may say it all. */
function mustSay(owner: ts.Symbol, member: Member): boolean {
  const isForbidden = ts.isPropertySignature(member) && member.type?.kind === ts.SyntaxKind.NeverKeyword
  if (isForbidden) return false
  const isCalled = ts.isMethodSignature(member) || ts.isMethodDeclaration(member)
  return isCalled || /Options$|Events$/.test(owner.name)
}

describe.each(entries)('the comments behind %s', entry => {
  const symbols = exportsOf(entry)

  it('are there for every export', () => {
    expect(symbols.length).toBeGreaterThan(15)
    expect(symbols.filter(symbol => !isDocumented(symbol)).map(symbol => symbol.name)).toEqual([])
  })

  it('are there for every option, event and method', () => {
    const silent = symbols.flatMap(owner =>
      membersOf(owner)
        .filter(member => mustSay(owner, member))
        .map(member => member.name && checker.getSymbolAtLocation(member.name))
        .filter(symbol => symbol !== undefined && !isDocumented(symbol))
        .map(symbol => `${owner.name}.${symbol?.name}`),
    )
    expect(silent).toEqual([])
  })
})
