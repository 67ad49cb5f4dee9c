"""What a practice's file and the insurance say of a patient, and contacts with care.

Codes of the system PRACTICE are this project's own: a source's reader turns what the source says into them.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import PRACTICE_FILE, UNREVIEWED
from features.codes import CIM10, NGAP, PRACTICE, SNOMED, Concept

# The practice's own file
BIRTH = Concept("birth", "Naissance", "Birth", (PRACTICE("birth"),), source=PRACTICE_FILE, review=UNREVIEWED)
SEX = Concept(
    "sex",
    "Sexe",
    "Sex",
    categories=(("male", (PRACTICE("male"),)), ("female", (PRACTICE("female"),))),
    source=PRACTICE_FILE,
    review=UNREVIEWED,
)
REGISTERED = Concept(
    "registered", "Inscription", "Registration", (PRACTICE("registered"),), source=PRACTICE_FILE, review=UNREVIEWED
)
LEFT = Concept("left", "Départ du cabinet", "Departure", (PRACTICE("left"),), source=PRACTICE_FILE, review=UNREVIEWED)
DEATH = Concept("death", "Décès", "Death", (PRACTICE("death"),), source=PRACTICE_FILE, review=UNREVIEWED)
CONSULTATION = Concept(
    "consultation",
    "Consultation",
    "Consultation",
    (PRACTICE("consultation"),),
    source=PRACTICE_FILE,
    review=f"{UNREVIEWED} Those of the practice itself, which landmarks follow; acts of any doctor are apart.",
)
EXAMINATION = Concept(
    "examination",
    "Examen de cohorte",
    "Cohort examination",
    (PRACTICE("examination"),),
    source="research cohort",
    review=UNREVIEWED,
)

# Other contacts with care
HOSPITAL_STAY = Concept(
    "hospital_stay",
    "Séjour à l’hôpital",
    "Hospital stay",
    (
        PRACTICE("hospital_stay"),
        *SNOMED.codes("32485007 8715000 183452005 308540004"),  # admission, planned, as an emergency; stay
    ),
    source=PRACTICE_FILE,
    review=UNREVIEWED,
)
OTHER_CONTACT = Concept(
    "other_contact",
    "Autre contact avec les soins",
    "Other contact with care",
    (PRACTICE("other_contact"),),
    source=PRACTICE_FILE,
    review=f"{UNREVIEWED} Emergencies, and contacts of which the source does not say the kind.",
)
GENERAL_PRACTITIONER_VISIT = Concept(
    "general_practitioner_visit",
    "Consultation ou visite d’un médecin généraliste",
    "General practitioner’s consultation or visit",
    (PRACTICE("consultation"), *NGAP.codes("G GS C V VG VGS")),
    source="NGAP: consultations and visits of general practitioners",
    review=f"{UNREVIEWED} C and V were also paid to other doctors before G and VG existed.",
)
SPECIALIST_VISIT = Concept(
    "specialist_visit",
    "Consultation ou visite d’un médecin spécialiste",
    "Specialist’s consultation or visit",
    NGAP.codes("CS VS APC APV CNP VNP CSC"),
    source="NGAP: consultations and visits of specialists",
    review=f"{UNREVIEWED} CS was also paid to specialists in general practice.",
)
HOME_VISIT = Concept(
    "home_visit",
    "Visite à domicile",
    "Home visit",
    (*NGAP.codes("V VG VGS VS VL"), SNOMED("439708006")),
    source="NGAP: visits",
    review=UNREVIEWED,
)
REMOTE_CONSULTATION = Concept(
    "remote_consultation",
    "Téléconsultation",
    "Remote consultation",
    (
        *NGAP.codes("TCP TLC TTE"),
        *SNOMED.codes("448337001"),  # telemedicine consultation with patient
        *SNOMED.codes("185317003 386472008"),  # telephone encounter, consultation
    ),
    source="NGAP: remote consultations",
    review=UNREVIEWED,
)

# Insurance and the place
LONG_TERM_ILLNESS = Concept(
    "long_term_illness",
    "Affection de longue durée",
    "Long-term illness scheme",
    (PRACTICE("insurance.long_term_illness"),),
    source="French health insurance (ALD), code de la sécurité sociale, article L160-14",
    review=f"{UNREVIEWED} No code system has it: a reader makes it of the insurance’s own field.",
)
SOLIDARITY_COVER = Concept(
    "solidarity_cover",
    "Complémentaire santé solidaire",
    "Means-tested complementary cover",
    (PRACTICE("insurance.solidarity_cover"),),
    source="French health insurance (C2S, before 2019 CMU-C and ACS)",
    review=f"{UNREVIEWED} No code system has it: a reader makes it of the insurance’s own field.",
)
DEPRIVATION = Concept(
    "deprivation",
    "Défavorisation (quintile de la commune)",
    "Deprivation (quintile of the municipality)",
    (PRACTICE("deprivation"),),
    unit="{quintile}",
    plausible=(1, 5),
    source="FDep: Rey et al. 2009, doi:10.1186/1471-2458-9-33; 5 is the most deprived",
    review=UNREVIEWED,
)
RURALITY = Concept(
    "rurality",
    "Ruralité (grille de densité à sept niveaux)",
    "Rurality (seven-level density grid)",
    (PRACTICE("rurality"),),
    unit="{level}",
    plausible=(1, 7),
    source="Insee, grille communale de densité à 7 niveaux; 7 is the least dense",
    review=UNREVIEWED,
)
DEPENDENCY_GROUP = Concept(
    "dependency_group",
    "Groupe iso-ressources (GIR)",
    "Dependency group (GIR)",
    (PRACTICE("dependency"),),
    unit="{group}",
    plausible=(1, 6),
    source="AGGIR grid, code de l’action sociale et des familles, annexe 2-1; 1 is the most dependent",
    review=UNREVIEWED,
)
PRECARIOUS_LIVING = Concept(
    "precarious_living",
    "Précarité",
    "Precarious living conditions",
    CIM10.codes("Z59.0 Z59.1 Z59.5 Z59.6 Z59.7"),
    source="CIM-10 Z59: homeless, inadequate housing, extreme poverty, low income, insufficient cover",
    review=UNREVIEWED,
)
