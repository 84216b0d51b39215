"""Lower-case given names that are common where autolog is likely to be used; a list of our own."""

from __future__ import annotations

_NAMES = """
aaron abdul abigail ada adam adele adrian agnes ahmed aisha alan albert alejandro alessandro alex alexander
alexandra alexis alfred ali alice alicia alison allison amanda amelia amina amir amy ana anastasia andre andrea
andreas andrei andrew angela angelina anita anja ann anna anne annette anthony anton antonio april arjun art arthur
ashley astrid august aurora austin axel ayesha barbara beatrice ben benjamin bernard beth bianca bill birgit bjorn
bob boris brandon brenda brian bridget bruce bruno caitlin cameron camilla carl carla carlos carmen caroline
catherine cecilia charles charlotte chase chen chiara chloe chris christian christina christine christopher claire
clara claudia claus colin connor cristina cynthia daisy damian daniel daniela danielle david dawn deborah denise
dennis derek diana diego dieter dimitri dirk dmitri dominic donald donna dorothy douglas drew duncan dylan edgar
edith eduardo edward eleanor elena elias elisabeth eliza elizabeth ella ellen elliot emil emily emma enrique erica
erik erin ernst esther ethan eugene eva evelyn fabian faith fatima felicity felix fernando fiona florian frances
francesca francis francois frank franz fred frederick friedrich gabriel gabriela gareth gary geoffrey george georgia
gerald gerhard gertrud gilbert giovanni giulia giuseppe gloria gordon grace graham grant greg gregory greta grete
guillermo gustav hamza hana hannah hans harold harriet harry hassan heather hector heidi heinrich helen helena helga
henri henrik henry hiroshi holger holly hope horst howard hubert hugo hussein ian ibrahim igor ilse imran ines
ingrid irene iris isaac isabel isabella ivan jack jacob jacqueline jakob james jan jana jane janet janice jasmine
jason javier jean jeffrey jennifer jens jeremy jerome jessica joan joanna joao joel johan johanna johannes john
jonas jonathan jordan jorge jose josef joseph joshua joy joyce juan judith judy julia julian julie julien juliet
june jürgen karen karim karin karl kate katharina katherine kathleen katja katrin keith kelly kenji kenneth kevin
khalid kim kirsten klaus konrad kristina kumar kurt kyle lars laura lauren laurence lea leah leila lena leo leon
leonard leonardo leonie leslie liam lidia lily linda lisa logan lorenzo louis louisa louise luca lucas lucia lucy
ludwig luis luisa lukas luke lydia lynn madeleine magdalena malcolm manfred manuel marc marcel marco marcus margaret
margarita maria mariam marie marina mario marion mark marta martha martin martina mary mathias matilda matteo
matthew matthias maureen max maximilian may megan mehmet melanie melissa mia michael michaela michel michelle miguel
mikhail milan mohamed mohammed monica monika moritz muhammad nadia nadine naomi natalia natalie natasha nathan neha
neil nicholas nicola nicolas nicole niels nikolai nina noah noemi noor nora norbert norman olaf oleg olga oliver
olivia omar oscar otto pablo pamela paolo pascal pat patricia patrick paul paula pauline pavel pedro penelope peter
petra philip philipp philippe phoebe pierre pietro priya rachel rafael rahul rainer raj ralf ralph ramon raquel
raymond rebecca regina renate rene ricardo rich richard rita rob robert roberto robin rodrigo roger roland rolf
roman ronald rosa rose rosemary ross roy ruben rudolf rupert russell ruth ryan sabine sabrina sally salma samantha
samir samuel sandra sanjay sara sarah sebastian sergei sergio sharon shaun sheila silvia simon simone sky sofia
sofie sonia sophia sophie stefan stefanie stella stephan stephanie stephen steven stuart susan susanne sven svetlana
sylvia takeshi tamara tania tanja tara terence teresa thomas thorsten tim timothy tobias tom tommaso tracy ulrich
ulrike ursula uwe valentina valerie vanessa vera veronica victor victoria viktor vincent viola virginia vladimir
walter wang wei wendy werner wilhelm will william wolfgang xavier yasmin yuki yusuf yvonne zachary zainab zoe
"""
_WORDS = """
amber april art august aurora austin axel ben bill carmen chase chen daisy dawn drew faith frank georgia grace grant
heather holly hope iris jack jean jordan joy june kelly kim lily logan mark max may milan noor pat raj ralph regina
rich rob robin roman rose ross roy salma sky stella tim tom tracy victoria viola virginia wang wei will
"""

GIVEN_NAMES = frozenset(_NAMES.split())
#: Names that are also ordinary words, so that they count only when a surname follows.
AMBIGUOUS = frozenset(_WORDS.split())
