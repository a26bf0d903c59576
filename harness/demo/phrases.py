"""The words of the demo world: what customers of Larkfield write, and the plain vocabulary of the general skills.

Larkfield sells connected devices for home and office and is invented, like the countries below. Only data lives here;
`world.py` turns it into messages. `{p}` is a product and `{plan}` a plan. Sentences marked as held out never enter
pretraining or the training split: they are how the exam finds out whether a model reads or has memorised.
"""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


PRODUCTS: dict[str, tuple[str, ...]] = {
    "audio": ("speaker", "radio", "headset", "microphone", "soundbar"),
    "kitchen": ("kettle", "toaster", "blender", "oven", "mixer"),
    "office": ("printer", "scanner", "keyboard", "monitor", "laptop"),
    "home": ("lamp", "heater", "vacuum", "thermostat", "doorbell"),
}
CATEGORY = {product: category for category, products in PRODUCTS.items() for product in products}
PLANS = ("basic", "plus", "gold")

TOPICS: dict[str, tuple[str, ...]] = {
    "refund": (
        "I want a refund for my {p}.",
        "Please refund the {p}.",
        "I would like my money back for the {p}.",
        "Can I get my money back for the {p}?",
        "Please return the payment for my {p}.",
        "I sent the {p} back and I need my money.",
        "The {p} is not for me, so please pay me back.",
        "When will you refund my {p}?",
        "I am still waiting for the refund of the {p}.",
        "You owe me a refund for the {p}.",
        "Please reimburse me for the {p}.",
    ),
    "delivery": (
        "Where is my {p}?",
        "My {p} has not arrived.",
        "The {p} is late.",
        "The courier lost my {p}.",
        "I am still waiting for the {p}.",
        "When will the {p} arrive?",
        "The parcel with my {p} didn't come.",
        "The delivery of the {p} is late again.",
        "Nobody delivered my {p} today.",
        "I ordered a {p} and nothing came.",
        "The courier never came with the {p}.",
    ),
    "login": (
        "I cannot sign in to my {p} account.",
        "My password for the {p} doesn't work.",
        "I am locked out of the {p} account.",
        "The {p} app rejects my password.",
        "I can't log in to the {p} app.",
        "I forgot the password of my {p}.",
        "The {p} login fails.",
        "Please reset the password for my {p}.",
        "The {p} asks for a code and I have no code.",
        "The {p} app won't let me sign in.",
        "My login for the {p} is blocked.",
    ),
    "crash": (
        "The {p} app keeps crashing.",
        "My {p} freezes every day.",
        "There is an error on the {p} screen.",
        "The {p} shuts down after a minute.",
        "The {p} app crashed again.",
        "My {p} restarts all the time.",
        "The {p} doesn't respond to the app.",
        "Since the update my {p} freezes.",
        "The {p} shows an error after the update.",
        "My {p} hangs when I open the app.",
        "The software of the {p} stops every day.",
    ),
    "cancel": (
        "Please cancel my {p}.",
        "I want to cancel the {p} contract.",
        "I don't want the {p} anymore.",
        "Please end my {p} contract.",
        "Stop the {p} subscription.",
        "I want to leave, so close my {p} account.",
        "How can I cancel the {p} subscription?",
        "Please close the {p} subscription today.",
        "I don't need the {p} anymore.",
        "I am leaving, please end the {p} subscription.",
        "Cancel the order of my {p}.",
    ),
    "invoice": (
        "Please send a bill for the {p}.",
        "I need an invoice for the {p}.",
        "You charged me twice for the {p}.",
        "The receipt for my {p} is wrong.",
        "The amount on the {p} bill is wrong.",
        "I was charged too much for the {p}.",
        "Where can I find the invoice for my {p}?",
        "The address on the {p} invoice is wrong.",
        "Please correct the bill of the {p}.",
        "My bank shows two charges for the {p}.",
        "I need a receipt for the {p}.",
    ),
    "upgrade": (
        "I want to upgrade my {p}.",
        "I would like a bigger {p}.",
        "Please add two seats to my {p}.",
        "Tell me about the premium {p}.",
        "How much is the premium {p}?",
        "Can I upgrade the {p} to premium?",
        "We need more seats for the {p}.",
        "Which {p} is better for a big office?",
        "I want a second {p}, is there a discount?",
        "Is there a newer {p} to buy?",
        "What do the extra features of the {p} cost?",
    ),
    "damaged": (
        "The {p} is broken.",
        "My {p} arrived with a crack.",
        "The {p} is scratched.",
        "A part of the {p} is missing.",
        "My {p} came with a broken screen.",
        "The box of the {p} was crushed.",
        "The {p} arrived in pieces.",
        "The cable of my {p} is torn.",
        "The new {p} has a big scratch.",
        "A button of the {p} fell off.",
        "My {p} was broken in the parcel.",
    ),
}
HELD_OUT_TOPICS: dict[str, tuple[str, ...]] = {
    "refund": (
        "I need my money back for this {p}.",
        "Can you refund the {p}?",
        "I want you to reimburse me for the {p}.",
    ),
    "delivery": (
        "The courier is late with my {p}.",
        "My {p} never arrived.",
        "Nobody came with the {p}, I am still waiting.",
    ),
    "login": (
        "I can't sign in, my {p} password is blocked.",
        "The password of the {p} app doesn't work.",
        "My {p} account is locked.",
    ),
    "crash": (
        "My {p} shows an error every day.",
        "The {p} freezes and restarts.",
        "Since the update the {p} keeps crashing.",
    ),
    "cancel": (
        "I want to end the {p} subscription.",
        "Please cancel my contract for the {p}.",
        "I don't want my {p} subscription anymore.",
    ),
    "invoice": (
        "The invoice of the {p} is wrong.",
        "Please send me the receipt for my {p}.",
        "There are two charges on the {p} bill.",
    ),
    "upgrade": (
        "Can I add seats to the {p}?",
        "What does the premium {p} cost?",
        "I would like to upgrade to a bigger {p}.",
    ),
    "damaged": (
        "My {p} came with a scratch.",
        "The {p} has a crack and a part is missing.",
        "The screen of my {p} is broken.",
    ),
}

MOODS: dict[str, tuple[str, ...]] = {
    "angry": (
        "I am furious!",
        "This is unacceptable!",
        "Terrible service!",
        "I am so angry.",
        "What a disgrace!",
        "This is ridiculous!",
        "I have had enough of this.",
        "I'm very upset.",
        "Worst shop ever!",
    ),
    "happy": (
        "Thank you so much!",
        "I love your shop.",
        "Great work, as always!",
        "I am so pleased with you.",
        "You are wonderful!",
        "Lovely people, thanks!",
        "Your team is great.",
        "I'm very happy with you.",
        "Best shop ever!",
    ),
    "calm": (
        "Just a quick question.",
        "Please let me know.",
        "I look forward to your answer.",
        "No rush at all.",
        "Can you check this?",
        "Any news is welcome.",
        "Take your time.",
        "I'm just asking.",
        "Kind regards.",
    ),
}
HELD_OUT_MOODS: dict[str, tuple[str, ...]] = {
    "angry": ("I am very upset!", "What a terrible shop!", "This service is ridiculous!"),
    "happy": ("Great shop, thank you!", "I am very pleased!", "You people are great."),
    "calm": ("I am just asking.", "Please take your time.", "I look forward to any news."),
}

PLAN_SENTENCES = (
    "I am on the {plan} plan.",
    "My plan is {plan}.",
    "I have the {plan} plan.",
    "We pay for the {plan} plan.",
    "This is a {plan} account.",
    "I'm a {plan} customer.",
)
GREETINGS = ("Hello", "Hi", "Good morning", "Dear team", "Hi there")

ANIMALS = words("cat dog fox owl bear wolf frog crab goat duck horse snake tiger whale sheep eagle")
FRUITS = words("apple pear plum lemon mango grape peach melon cherry fig orange banana")
COLOURS = words("red blue green black white pink gray brown yellow purple")
NAMES = words("Mia Tom Ana Leo Eva Max Zoe Sam Ida Ben Lea Jon Kim Roy Amy Dan")
CITIES = words(
    "Oslo Rome Paris Lima Cairo Delhi Quito Tokyo Berlin Madrid Dublin Athens "
    "Vienna Prague Lisbon Warsaw Zurich Geneva Boston Austin Havana Nairobi Manila Seoul"
)
COUNTRIES = words(
    "Arvenia Bolgary Cestan Dulmar Estovia Farland Gorvia Hestia Istara Jorvik Kelland Lumeria "
    "Morvane Nordia Ostral Pelagia Quorin Ravenia Sorland Tavria Ulmora Vestria Wendar Zembia"
)
QUESTIONS: dict[str, tuple[str, ...]] = {
    "capital": (
        "What is the capital of {c}?",
        "Which city is the capital of {c}?",
        "Name the capital of {c}.",
        "What is the capital city of {c} called?",
        "In {c}, which city is the capital?",
    ),
    "flag": (
        "What colour is the flag of {c}?",
        "Which colour does the flag of {c} have?",
        "Name the colour of the flag of {c}.",
        "The flag of {c} has which colour?",
        "In {c}, what colour is the flag?",
    ),
    "animal": (
        "Which animal is the symbol of {c}?",
        "What is the national animal of {c}?",
        "Name the national animal of {c}.",
        "Which animal stands for {c}?",
        "In {c}, which animal is the symbol?",
    ),
    "fruit": (
        "Which fruit grows in {c}?",
        "What fruit is {c} known for?",
        "Name the fruit that grows in {c}.",
        "Which fruit does {c} sell?",
        "In {c}, which fruit grows?",
    ),
}
