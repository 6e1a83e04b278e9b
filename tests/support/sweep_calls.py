#!/usr/bin/env python3
"""Writes sweep.c's wrappers of all Vulkan functions that vulkan_core.h declares.

    sweep_calls.py vulkan_core.h sweep_calls.inc

Which of them the library calls need not be known here: it gets the wrapper of whatever it asks
the loader for. Those that return VkResult can be made to fail; objects are counted where they
are made and destroyed, commands where they are recorded."""
import re
import sys

PROTOTYPE = re.compile(r'typedef (\w+) \(VKAPI_PTR \*PFN_vk(\w+)\)\(([^()]*)\);')


def parse(header):
    functions = []
    for line in header.splitlines():
        match = PROTOTYPE.fullmatch(line.strip())
        if not match or match[2].startswith(('GetInstanceProcAddr', 'GetDeviceProcAddr')):
            continue
        texts = [text.strip() for text in match[3].split(',')]
        names = [re.search(r'(\w+)(\[\w+\])*$', text)[1] for text in texts]
        if texts != ['void']:
            functions.append((match[2], match[1], texts, names))
    return functions


def destroyed(texts):
    """The handle type that a function with these parameters destroys, if any."""
    if len(texts) < 2 or not texts[-1].startswith('const VkAllocationCallbacks*'):
        return None
    return texts[-2].split()[0]


def made(texts):
    if len(texts) < 2 or not texts[-2].startswith('const VkAllocationCallbacks*'):
        return None
    match = re.match(r'(Vk\w+)\*', texts[-1])
    return match and match[1]


def wrapper(name, result, texts, names, objects):
    call = f'real.{name}({", ".join(names)})'
    lines = [f'static VKAPI_ATTR {result} VKAPI_CALL wrapped_{name}({", ".join(texts)})', '{']
    if texts[0].startswith('VkCommandBuffer '):
        lines.append(f'    see_command({names[0]}, CALL_{name});')
    if result == 'VkResult':
        # An enumeration that can be cut short: a count, and an array that may be NULL.
        lists = len(texts) > 1 and re.match(r'(uint32_t|size_t)\*', texts[-2]) and '*' in texts[-1]
        fills = f'{names[-1]} != NULL' if lists else 'false'
        lines += ['    VkResult result;',
                  f'    if (fails(CALL_{name}, __builtin_return_address(0), {fills}, &result)) {{']
        if lists:
            lines += ['        if (result == VK_INCOMPLETE) {',
                      f'            *{names[-2]} -= *{names[-2]} > 0;',
                      f'            return {call};', '        }']
        lines += ['        return result;', '    }', f'    result = {call};']
        kind = made(texts)
        if kind in objects:
            count = 'createInfoCount' if 'createInfoCount' in names else '1'
            lines += ['    if (result >= 0)', f'        live[OBJECT_{kind}] += {count};']
        lines.append('    return result;')
    else:
        kind = destroyed(texts)
        if kind in objects and name.startswith(('Destroy', 'Free')):
            lines.append(f'    live[OBJECT_{kind}] -= {names[-2]} != VK_NULL_HANDLE;')
        lines.append(f'    {"" if result == "void" else "return "}{call};')
    return lines + ['}', '']


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        functions = parse(file.read())
    objects = sorted({destroyed(texts) for name, _, texts, _ in functions
                      if name.startswith(('Destroy', 'Free')) and destroyed(texts)})
    out = ['// Made by tests/support/sweep_calls.py.', 'enum object {']
    out += [f'    OBJECT_{kind},' for kind in objects]
    out += ['    OBJECT_COUNT', '};', 'static const char *const object_names[] = {']
    out += [f'    "{kind}",' for kind in objects]
    out += ['};', 'enum call {', '    CALL_NONE,']
    out += [f'    CALL_{name},' for name, *_ in functions]
    out += ['    CALL_COUNT', '};', 'static struct {']
    out += [f'    PFN_vk{name} {name};' for name, *_ in functions]
    out += ['} real;', 'static int64_t live[OBJECT_COUNT];', '']
    out += ['static bool fails(enum call call, const void *site, bool fills, VkResult *result);',
            'static void see_command(VkCommandBuffer commands, enum call call);', '']
    for name, result, texts, names in functions:
        out += wrapper(name, result, texts, names, objects)
    out += ['static const struct wrapped {', '    const char *name;',
        '    PFN_vkVoidFunction function;',
            '    PFN_vkVoidFunction *real;', '    bool fallible;', '} wrapped[] = {',
                '    {"", NULL, NULL, false},']
    for name, result, *_ in functions:
        out += [f'    {{"{name}", (PFN_vkVoidFunction)wrapped_{name},',
                f'        (PFN_vkVoidFunction *)&real.{name}, '
                f'{"true" if result == "VkResult" else "false"}}},']
    out += ['};']
    with open(sys.argv[2], 'w', encoding='utf-8') as file:
        file.write('\n'.join(out) + '\n')


main()
